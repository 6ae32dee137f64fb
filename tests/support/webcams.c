// Preloaded into a process: webcams that are not there, for code that reads them by Video4Linux (V4L2).
//
// In the folder $MPIPELINE_TEST_WEBCAMS the file N.camera makes /dev/videoN a camera. Each of its lines is a mode that it
// offers: fourcc, width, height, rate, and a file of pictures that it shows in turn (each with its length before it, four
// bytes, the lowest first). Files beside it are faults for as long as they are there:
//   N.unplugged   it cannot be opened any more, and what is open breaks
//   N.stalled     no pictures come
//   N.busy        another program streams from it
//   N.denied      this user may not open it
//   N.hung        the call that takes the next picture never returns
//   N.torn        pictures are cut off
//   N.metadata    it gives no pictures but data about those of another device
// The file N.opened tells that somebody has opened it.
#include "webcams.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const long second_ns = 1000000000L;
static struct camera cameras[CAMERAS];
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

int fails(int error) {
    errno = error;
    return -1;
}

static bool is_there(int number, const char* ending) {
    const char* folder = getenv("MPIPELINE_TEST_WEBCAMS");
    char path[600];
    if (folder == NULL) return false;
    snprintf(path, sizeof path, "%s/%d.%s", folder, number, ending);
    return access(path, F_OK) == 0;
}

bool has(const struct camera* camera, const char* fault) { return is_there(camera->number, fault); }

struct camera* camera_of(int file) {
    for (int i = 0; file > 0 && i < CAMERAS; i++)
        if (cameras[i].file == file) return &cameras[i];
    return NULL;
}

const struct mode* mode_of(const struct camera* camera) { return &camera->modes[camera->mode]; }

// --- pictures ------------------------------------------------------------------------------------------------------

static void load_pictures(struct camera* camera) {
    free(camera->pictures);
    camera->pictures = NULL;
    camera->pictures_size = camera->next_picture = 0;
    FILE* stream = fopen(mode_of(camera)->pictures, "rb");
    if (stream == NULL) return;
    fseek(stream, 0, SEEK_END);
    camera->pictures_size = (size_t)ftell(stream);
    rewind(stream);
    camera->pictures = malloc(camera->pictures_size);
    if (fread(camera->pictures, 1, camera->pictures_size, stream) != camera->pictures_size) camera->pictures_size = 0;
    fclose(stream);
}

static void show_next(struct camera* camera, struct timespec when) {
    uint32_t length;
    if (camera->next_picture + sizeof length > camera->pictures_size) camera->next_picture = 0;
    const uint8_t* picture = camera->pictures + camera->next_picture;
    memcpy(&length, picture, sizeof length);
    camera->next_picture += sizeof length + length;
    camera->sequence++;
    if (camera->queued_count == 0) return;  // nobody takes them: this one is lost
    const int index = camera->queued[0];
    memmove(camera->queued, camera->queued + 1, sizeof(int) * (size_t)--camera->queued_count);
    if (length > camera->buffer_size) length = (uint32_t)camera->buffer_size;
    if (has(camera, "torn")) length = length < 200 ? length : 200;
    memcpy(camera->memory[index], picture + sizeof length, length);
    struct v4l2_buffer* buffer = &camera->buffers[index];
    buffer->bytesused = length;
    buffer->sequence = camera->sequence;
    buffer->timestamp.tv_sec = when.tv_sec;
    buffer->timestamp.tv_usec = when.tv_nsec / 1000;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    camera->filled[camera->filled_count++] = index;
    eventfd_write(camera->file, 1);
}

static void* paint(void* argument) {
    struct camera* camera = argument;
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    while (camera->streams) {
        due.tv_nsec += second_ns / mode_of(camera)->rate;
        if (due.tv_nsec >= second_ns) {
            due.tv_nsec -= second_ns;
            due.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        if (has(camera, "unplugged")) {
            eventfd_write(camera->file, 1);  // wakes whoever waits
            continue;
        }
        if (has(camera, "stalled")) continue;
        pthread_mutex_lock(&camera->lock);
        show_next(camera, due);
        pthread_mutex_unlock(&camera->lock);
    }
    return NULL;
}

void stop_stream(struct camera* camera) {
    eventfd_t ignored;
    if (camera->streams) {
        camera->streams = false;
        pthread_join(camera->painter, NULL);
    }
    while (REAL(read)(camera->file, &ignored, sizeof ignored) > 0) continue;
    camera->queued_count = camera->filled_count = 0;
}

int start_stream(struct camera* camera) {
    if (has(camera, "busy")) return fails(EBUSY);
    if (camera->streams) return 0;
    load_pictures(camera);
    if (camera->pictures_size == 0) return fails(EIO);
    camera->streams = true;
    return pthread_create(&camera->painter, NULL, paint, camera);
}

// --- opening and closing -------------------------------------------------------------------------------------------

static bool read_modes(struct camera* camera) {
    char path[600], line[700], fourcc[5];
    snprintf(path, sizeof path, "%s/%d.camera", getenv("MPIPELINE_TEST_WEBCAMS"), camera->number);
    FILE* stream = fopen(path, "r");
    if (stream == NULL) return false;
    while (camera->mode_count < MODES && fgets(line, sizeof line, stream) != NULL) {
        struct mode* mode = &camera->modes[camera->mode_count];
        if (sscanf(line, "%4s %d %d %d %511[^\n]", fourcc, &mode->width, &mode->height, &mode->rate, mode->pictures) == 5) {
            mode->fourcc = v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
            camera->mode_count++;
        }
    }
    fclose(stream);
    return camera->mode_count > 0;
}

static void note_opening(int number) {
    char path[600];
    snprintf(path, sizeof path, "%s/%d.opened", getenv("MPIPELINE_TEST_WEBCAMS"), number);
    FILE* stream = fopen(path, "w");
    if (stream != NULL) fclose(stream);
}

static int open_camera(int number) {
    if (!is_there(number, "camera") || is_there(number, "unplugged")) return fails(ENOENT);
    if (is_there(number, "denied")) return fails(EACCES);
    note_opening(number);
    pthread_mutex_lock(&opening);
    struct camera* camera = NULL;
    for (int i = 0; i < CAMERAS && camera == NULL; i++)
        if (cameras[i].file <= 0) camera = &cameras[i];
    if (camera != NULL) {
        memset(camera, 0, sizeof *camera);
        camera->number = number;
        camera->brightness = 128;
        pthread_mutex_init(&camera->lock, NULL);
        if (read_modes(camera)) camera->file = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    }
    pthread_mutex_unlock(&opening);
    return camera != NULL && camera->file > 0 ? camera->file : fails(EIO);
}

static bool is_camera(const char* path, int* number) {
    char rest;
    return getenv("MPIPELINE_TEST_WEBCAMS") != NULL && sscanf(path, "/dev/video%d%c", number, &rest) == 1;
}

#define OPEN(name)                                                    \
    int name(const char* path, int flags, ...) {                      \
        int number;                                                   \
        if (is_camera(path, &number)) return open_camera(number);     \
        va_list arguments;                                            \
        va_start(arguments, flags);                                   \
        const mode_t mode = va_arg(arguments, mode_t);                \
        va_end(arguments);                                            \
        return REAL(name)(path, flags, mode);                         \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    struct camera* camera = camera_of(file);
    if (camera != NULL) {
        stop_stream(camera);
        free(camera->pictures);
        camera->pictures = NULL;
        camera->file = 0;
    }
    return REAL(close)(file);
}

static void* map(size_t length, int file, off_t offset) {
    struct camera* camera = camera_of(file);
    const int index = (int)(offset >> OFFSET_SHIFT);
    void* memory = REAL(mmap)(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (camera != NULL && memory != MAP_FAILED) camera->memory[index] = memory;
    return memory;
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
    if (camera_of(file) != NULL) return map(length, file, offset);
    return REAL(mmap)(address, length, protection, flags, file, offset);
}

void* mmap64(void* address, size_t length, int protection, int flags, int file, off_t offset) {
    return mmap(address, length, protection, flags, file, offset);
}
