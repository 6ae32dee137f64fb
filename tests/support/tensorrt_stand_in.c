/* In place of TensorRT's libraries: the bindings load with it and show their names, and whoever calls one aborts.
 *
 * The names are those that the bindings look up when they are loaded; those of version 8 have some more.
 */
#include <stdlib.h>

#define ABORTS(name) \
  void name(void) { abort(); }

ABORTS(createInferBuilder_INTERNAL)
ABORTS(createInferRuntime_INTERNAL)
ABORTS(createInferRefitter_INTERNAL)
ABORTS(createNvOnnxParser_INTERNAL)
ABORTS(createNvOnnxParserRefitter_INTERNAL)
ABORTS(getBuilderPluginRegistry)
ABORTS(getPluginRegistry)
ABORTS(getNvOnnxParserVersion)
ABORTS(initLibNvInferPlugins)

/* of version 8: parsers of Caffe and UFF, in C++ */
ABORTS(shutdownProtobufLibrary)
ABORTS(createNvCaffeParser_INTERNAL)
ABORTS(createNvUffParser_INTERNAL)
ABORTS(_ZN11nvuffparser15createUffParserEv)
ABORTS(_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi)
ABORTS(_ZN14nvcaffeparser117createCaffeParserEv)
ABORTS(_ZN14nvcaffeparser123shutdownProtobufLibraryEv)
