// A driver library that is none: GPUS made-up GPUs whose memory is this process's and whose streams are done at once.
// Kernels come from KERNELS, a library of them as plain C++ (native/cuda/kernels.cpp), whatever the PTX that is loaded.
// It fails to start with the code INIT, and refuses flags that the CUDA interface should not set. At the end of the
// process it writes what was left. Signatures and numbers are those of cuda.h.

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef INIT
#define INIT 0
#endif
#ifndef GPUS
#define GPUS 2
#endif

enum { INVALID = 1, OUT_OF_MEMORY = 2, NO_CONTEXT = 201, BAD_PTX = 218, NOT_FOUND = 500, REGISTERED = 712, NOT_REGISTERED = 713 };
enum { MOST = 64 };

static size_t total(int device) { return (size_t)(device == 70 ? 8 : 24) << 30; }
static struct { char *begin; size_t size; } registered[MOST];
static void *contexts[MOST];
static int was_used, depth, retained, streams, events, places, host_places, modules;

int cuInit(unsigned flags) { return flags ? INVALID : INIT; }

int cuGetErrorString(int code, const char **text) {
    *text = code == 100             ? "no CUDA-capable device is detected"
            : code == 999           ? "unknown error"
            : code == OUT_OF_MEMORY ? "out of memory"
            : code == BAD_PTX       ? "a PTX JIT compilation failed"
            : code == 803           ? NULL
                                    : "made up";
    return *text ? 0 : INVALID;
}

int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGetCount(int *count) { *count = GPUS; return 0; }
int cuDeviceGet(int *device, int index) { *device = 70 + index; return 0; }
int cuDeviceTotalMem_v2(size_t *size, int device) { *size = total(device); return 0; }

int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, device == 70 ? "Orin" : "L4", size);
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int orin = device == 70;
    switch (attribute) {
    case 18: *value = orin; return 0;
    case 75: *value = 8; return 0;
    case 76: *value = orin ? 7 : 9; return 0;
    case 99: *value = 1; return 0;
    default: return INVALID;  // older than the attribute
    }
}

// --- contexts ---

int cuDevicePrimaryCtxRetain(void **context, int device) { was_used = 1; retained++; *context = registered; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { retained--; return 0; }
int cuCtxPushCurrent_v2(void *context) { contexts[depth++] = context; return 0; }
int cuCtxGetDevice(int *device) { *device = 70; return 0; }

int cuCtxSetCurrent(void *context) { return context ? 0 : INVALID; }

int cuCtxPopCurrent_v2(void **context) {
    if (!depth) return NO_CONTEXT;
    *context = contexts[--depth];
    return 0;
}

// --- streams and events: everything is done when it is said ---

int cuStreamCreate(void **stream, unsigned flags) {
    if (flags != 1) return INVALID;  // not blocking
    streams++;
    *stream = malloc(1);
    return 0;
}

int cuStreamDestroy_v2(void *stream) { streams--; free(stream); return 0; }
int cuStreamSynchronize(void *stream) { return stream ? 0 : INVALID; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return stream && event ? 0 : INVALID; }

int cuEventCreate(void **event, unsigned flags) {
    if (flags != 3) return INVALID;  // sleeping, and without times
    events++;
    *event = malloc(1);
    return 0;
}

int cuEventDestroy_v2(void *event) { events--; free(event); return 0; }
int cuEventRecord(void *event, void *stream) { return event && stream ? 0 : INVALID; }
int cuEventQuery(void *event) { return event ? 0 : INVALID; }
int cuEventSynchronize(void *event) { return event ? 0 : INVALID; }

// --- memory ---

int cuMemAlloc_v2(uint64_t *address, size_t size) {
    if (size > total(70)) return OUT_OF_MEMORY;
    places++;
    *address = (uint64_t)aligned_alloc(512, (size + 511) / 512 * 512);
    return 0;
}

int cuMemFree_v2(uint64_t address) { places--; free((void *)address); return 0; }

int cuMemHostAlloc(void **memory, size_t size, unsigned flags) {
    if (flags != 2) return INVALID;  // mapped
    host_places++;
    *memory = malloc(size);
    return 0;
}

int cuMemFreeHost(void *memory) { host_places--; free(memory); return 0; }

int cuMemHostRegister_v2(void *memory, size_t size, unsigned flags) {
    char *begin = memory;
    if (!(flags & 2)) return INVALID;
    for (int i = 0; i < MOST; i++)
        if (registered[i].begin && begin < registered[i].begin + registered[i].size && registered[i].begin < begin + size)
            return REGISTERED;
    for (int i = 0; i < MOST; i++)
        if (!registered[i].begin) {
            registered[i].begin = begin;
            registered[i].size = size;
            return 0;
        }
    return OUT_OF_MEMORY;
}

int cuMemHostUnregister(void *memory) {
    for (int i = 0; i < MOST; i++)
        if (registered[i].begin == memory) {
            registered[i].begin = NULL;
            return 0;
        }
    return NOT_REGISTERED;
}

int cuMemHostGetDevicePointer_v2(uint64_t *address, void *memory, unsigned flags) {
    *address = (uint64_t)memory;
    return flags ? INVALID : 0;
}

int cuMemcpyHtoDAsync_v2(uint64_t target, const void *source, size_t size, void *stream) {
    memcpy((void *)target, source, size);
    return stream ? 0 : INVALID;
}

int cuMemcpyDtoHAsync_v2(void *target, uint64_t source, size_t size, void *stream) {
    memcpy(target, (void *)source, size);
    return stream ? 0 : INVALID;
}

int cuMemsetD8Async(uint64_t target, unsigned char value, size_t size, void *stream) {
    memset((void *)target, value, size);
    return stream ? 0 : INVALID;
}

// --- code: any PTX, in which there are the kernels of KERNELS, and one `add(float *values, unsigned count, float summand)` ---

typedef struct { int x, y, z; } Grid;  // as in native/cuda/kernels.hpp

int cuModuleLoadDataEx(void **module, const char *ptx, unsigned count, void *options, void **values) {
    if (!strstr(ptx, ".version")) return BAD_PTX;
    modules++;
    *module = malloc(1);
    return 0;
}

int cuModuleUnload(void *module) { modules--; free(module); return 0; }

int cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = module;
    if (!strcmp(name, "add")) return 0;
#ifdef KERNELS
    void *kernels = dlopen(KERNELS, RTLD_NOW);
    *function = kernels ? dlsym(kernels, name) : NULL;
    if (*function) return 0;
#endif
    return NOT_FOUND;
}

int cuFuncSetBlockShape(void *function, int x, int y, int z) { return 0; }

int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared_bytes, void *stream, void **parameters, void **extra) {
    struct { float *values; uint32_t count; float summand; } given;
    if (shared_bytes || !stream) return INVALID;
    Dl_info place;
    if (dladdr(function, &place)) {  // code: a kernel, of one address or two
        void *addresses[2] = {NULL, NULL};
        size_t size = *(size_t *)extra[3];
        if (block_x != 256 || block_y != 1 || block_z != 1 || size % sizeof *addresses || size > sizeof addresses) return INVALID;
        memcpy(addresses, extra[1], size);
        ((void (*)(Grid, void *, void *))function)((Grid){grid_x, grid_y, grid_z}, addresses[0], addresses[1]);
        return 0;
    }
    if (*(size_t *)extra[3] != sizeof given) return INVALID;
    memcpy(&given, extra[1], sizeof given);
    if (grid_x * block_x < given.count) return INVALID;
    for (uint32_t i = 0; i < given.count; i++) given.values[i] += given.summand;
    return 0;
}

__attribute__((destructor)) static void tell_what_is_left(void) {
    if (!was_used) return;
    int left = streams + events + places + host_places + modules + retained + depth;
    for (int i = 0; i < MOST; i++) left += registered[i].begin != NULL;
    fprintf(stderr, "left on the GPU: %d\n", left);
}
