// What a program asks the cameras of webcams.c: the requests of Video4Linux (V4L2) that code which streams makes.
#include "webcams.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int describe(const struct camera* camera, struct v4l2_capability* answer) {
    memset(answer, 0, sizeof *answer);
    snprintf((char*)answer->driver, sizeof answer->driver, "stand-in");
    snprintf((char*)answer->card, sizeof answer->card, "Webcam %d", camera->number);
    answer->device_caps = has(camera, "metadata") ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE;
    answer->device_caps |= V4L2_CAP_STREAMING;
    answer->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

// A mode of that fourcc and size, else one of that fourcc, else the present one.
static int chosen_mode(const struct camera* camera, const struct v4l2_pix_format* wanted) {
    int chosen = -1;
    for (int i = camera->mode_count - 1; i >= 0; i--) {
        const struct mode* mode = &camera->modes[i];
        const bool fits = (int)wanted->width == mode->width && (int)wanted->height == mode->height;
        if (mode->fourcc != wanted->pixelformat) continue;
        if (fits) return i;
        chosen = i;
    }
    return chosen < 0 ? camera->mode : chosen;
}

static int format(struct camera* camera, struct v4l2_format* answer, bool set) {
    if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || has(camera, "metadata")) return fails(EINVAL);
    if (set && (has(camera, "busy") || camera->buffer_count > 0)) return fails(EBUSY);
    if (set) camera->mode = chosen_mode(camera, &answer->fmt.pix);
    const struct mode* mode = mode_of(camera);
    memset(&answer->fmt, 0, sizeof answer->fmt);
    answer->fmt.pix.width = (uint32_t)mode->width;
    answer->fmt.pix.height = (uint32_t)mode->height;
    answer->fmt.pix.pixelformat = mode->fourcc;
    answer->fmt.pix.field = V4L2_FIELD_NONE;
    answer->fmt.pix.bytesperline = mode->fourcc == V4L2_PIX_FMT_YUYV ? (uint32_t)mode->width * 2 : 0;
    answer->fmt.pix.sizeimage = (uint32_t)(mode->width * mode->height * 2);
    camera->buffer_size = answer->fmt.pix.sizeimage;
    return 0;
}

// Each mode has one rate.
static int pace(const struct camera* camera, struct v4l2_streamparm* answer) {
    if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fails(EINVAL);
    memset(&answer->parm, 0, sizeof answer->parm);
    answer->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    answer->parm.capture.timeperframe.numerator = 1;
    answer->parm.capture.timeperframe.denominator = (uint32_t)mode_of(camera)->rate;
    return 0;
}

// Of all controls it has one, its brightness.
static int control(struct camera* camera, unsigned long request, void* argument) {
    struct v4l2_queryctrl* query = argument;
    struct v4l2_control* value = argument;
    if (query->id != V4L2_CID_BRIGHTNESS) return fails(EINVAL);  // the id is the first member of both
    if (request == VIDIOC_G_CTRL) value->value = camera->brightness;
    if (request == VIDIOC_S_CTRL) camera->brightness = value->value > 255 ? 255 : value->value;
    if (request == VIDIOC_QUERYCTRL) {
        memset(query, 0, sizeof *query);
        query->id = V4L2_CID_BRIGHTNESS;
        query->type = V4L2_CTRL_TYPE_INTEGER;
        query->maximum = 255;
        query->step = 1;
    }
    return 0;
}

static int make_buffers(struct camera* camera, struct v4l2_requestbuffers* request) {
    stop_stream(camera);
    if (request->count > BUFFERS) request->count = BUFFERS;
    camera->buffer_count = (int)request->count;
    memset(camera->buffers, 0, sizeof camera->buffers);
    return 0;
}

static int exchange(struct camera* camera, unsigned long request, struct v4l2_buffer* buffer) {
    eventfd_t ignored;
    if (request != VIDIOC_DQBUF && (int)buffer->index >= camera->buffer_count) return fails(EINVAL);
    while (request == VIDIOC_DQBUF && has(camera, "hung")) usleep(10000);
    if (request == VIDIOC_DQBUF && eventfd_read(camera->file, &ignored) != 0) return -1;
    pthread_mutex_lock(&camera->lock);
    if (request == VIDIOC_QBUF) camera->queued[camera->queued_count++] = (int)buffer->index;
    const bool is_empty = request == VIDIOC_DQBUF && camera->filled_count == 0;
    if (request == VIDIOC_DQBUF && !is_empty) {
        const int index = camera->filled[0];
        memmove(camera->filled, camera->filled + 1, sizeof(int) * (size_t)--camera->filled_count);
        *buffer = camera->buffers[index];
        buffer->index = (uint32_t)index;
    }
    pthread_mutex_unlock(&camera->lock);
    buffer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->length = (uint32_t)camera->buffer_size;
    buffer->m.offset = buffer->index << OFFSET_SHIFT;
    return is_empty ? fails(EAGAIN) : 0;
}

int ioctl(int file, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    struct camera* camera = camera_of(file);
    if (camera == NULL) return REAL(ioctl)(file, request, argument);
    if (has(camera, "unplugged")) return fails(ENODEV);
    switch (request & 0xffffffffUL) {
        case VIDIOC_QUERYCAP: return describe(camera, argument);
        case VIDIOC_G_FMT: return format(camera, argument, false);
        case VIDIOC_S_FMT: return format(camera, argument, true);
        case VIDIOC_G_PARM:
        case VIDIOC_S_PARM: return pace(camera, argument);
        case VIDIOC_QUERYCTRL:
        case VIDIOC_G_CTRL:
        case VIDIOC_S_CTRL: return control(camera, request & 0xffffffffUL, argument);
        case VIDIOC_REQBUFS: return make_buffers(camera, argument);
        case VIDIOC_QUERYBUF:
        case VIDIOC_QBUF:
        case VIDIOC_DQBUF: return exchange(camera, request & 0xffffffffUL, argument);
        case VIDIOC_STREAMON: return start_stream(camera);
        case VIDIOC_STREAMOFF: stop_stream(camera); return 0;
        default: return fails(ENOTTY);
    }
}
