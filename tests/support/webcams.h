// A camera of webcams.c, and what webcams_calls.c, where it is asked, needs of it.
#pragma once
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { CAMERAS = 8, MODES = 8, BUFFERS = 8, OFFSET_SHIFT = 28 };

struct mode {
    uint32_t fourcc;
    int width, height, rate;
    char pictures[512];
};

// A camera that is open. `queued` buffers are the camera's to fill, `filled` ones wait to be taken, both oldest first.
struct camera {
    int number, file;
    struct mode modes[MODES];
    int mode_count, mode;
    uint8_t* pictures;
    size_t pictures_size, next_picture;
    int buffer_count;
    size_t buffer_size;
    uint8_t* memory[BUFFERS];
    struct v4l2_buffer buffers[BUFFERS];
    int queued[BUFFERS], queued_count, filled[BUFFERS], filled_count;
    int brightness;
    uint32_t sequence;
    volatile bool streams;
    pthread_mutex_t lock;
    pthread_t painter;
};

#pragma GCC visibility push(hidden)  // or they would stand in for functions of the program too
int fails(int error);
bool has(const struct camera* camera, const char* fault);
struct camera* camera_of(int file);
const struct mode* mode_of(const struct camera* camera);
int start_stream(struct camera* camera);
void stop_stream(struct camera* camera);
#pragma GCC visibility pop
