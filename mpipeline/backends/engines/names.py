"""Every name of the TensorRT API that this project uses, and which versions of which library have it.

A test compares the table with the bindings of TensorRT 8.6 to 11 and of TensorRT-RTX, and the code with the table.
Nothing is written as a number: one bit means different things in different versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TENSORRT, TENSORRT_RTX = "tensorrt", "tensorrt_rtx"
Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """Who has a name: TensorRT from `since` on (None: none), but not from `until` on, and TensorRT-RTX if `rtx`."""

    since: Version | None = (8, 6)
    until: Version | None = None
    rtx: bool = True

    def holds(self, flavour: str, version: Version) -> bool:
        """Whether that library in that version has the name."""
        if flavour == TENSORRT_RTX:
            return self.rtx
        return self.since is not None and self.since <= version and (self.until is None or version < self.until)


# Class ("" for the module itself) → what all libraries have.
EVERYWHERE: dict[str, str] = {
    "": "__version__ Builder ICudaEngine IExecutionContext ILogger OnnxParser Runtime TensorFormat TensorIOMode "
    "TensorLocation init_libnvinfer_plugins",
    "Builder": "build_serialized_network create_builder_config create_network create_optimization_profile",
    "BuilderFlag": "TF32 VERSION_COMPATIBLE",
    "DataType": "BOOL FLOAT HALF INT32 INT8 UINT8",
    "HardwareCompatibilityLevel": "AMPERE_PLUS",
    "IBuilderConfig": "add_optimization_profile builder_optimization_level clear_flag create_timing_cache "
    "get_timing_cache hardware_compatibility_level set_flag set_memory_pool_limit set_timing_cache",
    "ICudaEngine": "create_execution_context get_tensor_dtype get_tensor_format get_tensor_location get_tensor_mode "
    "get_tensor_name get_tensor_profile_shape get_tensor_shape num_io_tensors num_optimization_profiles",
    "IExecutionContext": "active_optimization_profile execute_async_v3 get_tensor_shape set_input_shape "
    "set_optimization_profile_async set_tensor_address",
    "ILogger": "Severity log",
    "ILogger.Severity": "ERROR INFO INTERNAL_ERROR VERBOSE WARNING",
    "INetworkDefinition": "get_input get_output num_inputs num_outputs",
    "IOptimizationProfile": "set_shape",
    "ITensor": "dtype name shape",
    "ITimingCache": "serialize",
    "MemoryPoolType": "WORKSPACE",
    "OnnxParser": "get_error num_errors parse",
    "ParserError": "desc node",
    "Runtime": "deserialize_cuda_engine engine_host_code_allowed",
    "TensorFormat": "LINEAR",
    "TensorIOMode": "INPUT OUTPUT",
    "TensorLocation": "DEVICE HOST",
}

# What the code asks for before it is used, since some have it not.
SOMEWHERE: dict[str, Span] = {
    "BuilderFlag.FP16": Span(until=(11, 0), rtx=False),
    "BuilderFlag.INT8": Span(until=(11, 0), rtx=False),
    "ComputeCapability": Span(since=None),
    "CudaGraphStrategy": Span(since=None),
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE": Span(since=None),
    "DataType.BF16": Span(since=(9, 0)),
    "DataType.INT64": Span(since=(9, 0)),
    "ICudaEngine.create_runtime_config": Span(since=(10, 13)),
    "IRuntimeCache.deserialize": Span(since=None),
    "IRuntimeCache.serialize": Span(since=None),
    "IRuntimeConfig.create_runtime_cache": Span(since=None),
    "IRuntimeConfig.cuda_graph_strategy": Span(since=None),
    "IRuntimeConfig.set_runtime_cache": Span(since=None),
    "IBuilderConfig.num_compute_capabilities": Span(since=None),
    "IBuilderConfig.set_compute_capability": Span(since=None),
    "IBuilderConfig.progress_monitor": Span(since=(9, 0)),
    "IProgressMonitor": Span(since=(9, 0)),
    "IProgressMonitor.phase_finish": Span(since=(9, 0)),
    "IProgressMonitor.phase_start": Span(since=(9, 0)),
    "IProgressMonitor.step_complete": Span(since=(9, 0)),
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": Span(until=(11, 0), rtx=False),
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": Span(since=(9, 0)),
    "ParserError.node_name": Span(since=(10, 0)),
    "ParserError.node_operator": Span(since=(10, 0)),
}


def names() -> Iterator[tuple[str, str, Span]]:
    """Class, attribute, and who has it, of each name."""
    for owner, attributes in EVERYWHERE.items():
        yield from ((owner, attribute, Span()) for attribute in attributes.split())
    for name, span in SOMEWHERE.items():
        owner, _, attribute = name.rpartition(".")
        yield owner, attribute, span
