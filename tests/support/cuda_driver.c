// A driver library with GPUS made-up GPUs, or one that fails with the code INIT, for the tests of what asks it.

#include <stddef.h>
#include <string.h>

#ifndef INIT
#define INIT 0
#endif
#ifndef GPUS
#define GPUS 2
#endif

int cuInit(unsigned flags) { return flags ? 1 : INIT; }

int cuGetErrorString(int code, const char **text) {
    *text = code == 100 ? "no CUDA-capable device is detected" : code == 999 ? "unknown error" : NULL;
    return *text ? 0 : 1;
}

int cuDriverGetVersion(int *version) {
    *version = 12060;
    return 0;
}

int cuDeviceGetCount(int *count) {
    *count = GPUS;
    return 0;
}

int cuDeviceGet(int *device, int index) {
    *device = 70 + index;
    return 0;
}

int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, device == 70 ? "Orin" : "L4", size);
    return 0;
}

int cuDeviceTotalMem_v2(size_t *size, int device) {
    *size = (size_t)(device == 70 ? 8 : 24) << 30;
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int orin = device == 70;
    switch (attribute) {
    case 18: *value = orin; return 0;
    case 75: *value = 8; return 0;
    case 76: *value = orin ? 7 : 9; return 0;
    case 99: *value = 1; return 0;
    default: return 1;  // older than the attribute
    }
}
