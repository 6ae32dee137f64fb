"""What the `InferencePipeline` interface promises of its arguments and of its life, and the tests that show it here.

`inference_pipeline_flow_rows.py` goes on with states, strategies, batches and sinks. `tests/architecture` checks that
the tests are there, that no parameter lacks a row, and that the docs tell what is different.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One promise: of what, in which words, by which tests (`file::function`, the file below tests/).

    `differs` are words of docs/inference-pipeline.md or docs/migration.md, where it is otherwise here on purpose.
    """

    of: str
    promise: str
    tests: tuple[str, ...]
    differs: str = ""


ARGUMENTS = "conformance/test_inference_pipeline_arguments.py::"
FLOW = "conformance/test_inference_pipeline_flow.py::"
SAMPLES = "acceptance/test_original_samples.py::"
FILES = "integration/test_inference_pipeline_files.py::"
LIFE = "integration/test_inference_pipeline_life.py::"
LIVE = "integration/test_inference_pipeline_live.py::"
MODELS = "integration/test_inference_pipeline_models.py::"
TERMINATE = "integration/test_inference_pipeline_terminate.py::"
UNIT = "unit/inference_pipeline/"
REFUSED = UNIT + "test_arguments.py::test_wrong_arguments_are_refused_with_the_reason"
REFUSED_OF_MODELS = ARGUMENTS + "test_what_a_model_cannot_honour_is_refused"
SIGNATURE = ARGUMENTS + "test_parameters_have_their_names_order_and_defaults"
FROM_ENVIRONMENT = MODELS + "test_options_that_are_left_out_come_from_the_environment"
DEFAULTS = ARGUMENTS + "test_without_arguments_and_environment_a_model_has_the_defaults_of_the_original"
OPTIONS = SAMPLES + "test_parameters_of_model_and_sources"
STRINGS = UNIT + "test_choices.py::test_2_4_strategies_are_accepted_as_strings"
DELIVERY = UNIT + "test_references.py::test_the_strategies_decide_the_delivery"
PROPERTIES = UNIT + "test_references.py::test_one_mapping_of_properties_is_for_all_and_a_list_for_each"
HOOKS = LIFE + "test_hooks_are_called_once_a_run_and_around_all_frames"

# `of` is the name of the parameter of `init` or `init_with_custom_logic`.
PARAMETERS = (
    Row("video_reference", "an empty list is refused", (REFUSED,)),
    Row("video_reference", "a path, and a list of them", (SAMPLES + "test_a_list_of_files_gives_every_frame_of_each",)),
    Row("video_reference", "an address of a camera", (SAMPLES + "test_a_camera_over_rtsp_until_ctrl_c",)),
    Row(
        "video_reference",
        "the address of a file is a file: it ends, and every frame is processed",
        (LIVE + "test_a_stream_over_http_that_is_a_file_is_read_once",),
        differs="Files at `http` addresses are files",
    ),
    Row("video_reference", "a function that gives a producer", (SAMPLES + "test_a_camera_of_ones_own",)),
    Row(
        "video_reference",
        "the number of a device",
        (
            SAMPLES + "test_the_first_camera_of_the_machine_by_its_number",
            SAMPLES + "test_a_webcam_that_is_pulled_out_goes_on_with_its_ids",
        ),
    ),
    Row("video_reference", "TestPatternStreamProducer", (UNIT + "test_references.py::test_every_form_of_a_reference",)),
    Row(
        "model_id",
        "an alias is looked up, fetched and loaded by `init`",
        (SAMPLES + "test_an_address_with_the_alias_of_a_model_that_is_fetched",),
    ),
    Row("model_id", "project/version", ("unit/store/test_resolve.py::test_a_model_of_the_cache_needs_no_network",)),
    Row("model_id", "a package's folder", (SAMPLES + "test_a_sink_that_draws_with_supervision",)),
    Row(
        "model_id",
        "an ONNX file, or an object with infer",
        (
            MODELS + "test_predictions_are_the_dictionaries_that_users_know",
            MODELS + "test_a_model_that_is_an_object_is_called_here_with_its_options",
        ),
        differs="`model_id` may also be the path",
    ),
    Row("on_prediction", "is called in the order of frames", (FILES + "test_every_frame_of_a_file_once_and_in_order",)),
    Row("on_prediction", "None: results are discarded", (FILES + "test_without_a_sink_the_logic_is_still_called",)),
    Row(
        "api_key",
        "falls back to ROBOFLOW_API_KEY, then API_KEY",
        (
            "unit/config/test_environment.py::test_store_settings",
            SAMPLES + "test_an_address_with_the_alias_of_a_model_that_is_fetched",
        ),
    ),
    Row("max_fps", "is of all sources together", (ARGUMENTS + "test_max_fps_is_shared_by_the_sources",)),
    Row(
        "watchdog",
        "None: nobody watches",
        (UNIT + "test_watchdog.py::test_7_the_null_watchdog_takes_everything_and_reports_nothing",),
    ),
    Row(
        "watchdog",
        "sees sources, updates and frames",
        (
            ARGUMENTS + "test_the_list_of_handlers_is_copied_and_the_watchdog_hears_after_them",
            SAMPLES + "test_several_sinks_one_of_which_records_a_file",
        ),
    ),
    Row(
        "status_update_handlers",
        "are copied; the watchdog hears after them",
        (ARGUMENTS + "test_the_list_of_handlers_is_copied_and_the_watchdog_hears_after_them",),
    ),
    Row("source_buffer_filling_strategy", "a member or its name", (STRINGS, DELIVERY, OPTIONS)),
    Row("source_buffer_consumption_strategy", "a member or its name", (STRINGS, OPTIONS)),
    Row(
        "class_agnostic_nms",
        "else CLASS_AGNOSTIC_NMS, else False",
        (
            UNIT + "test_references.py::test_defaults_of_the_environment",
            DEFAULTS,
            OPTIONS,
        ),
    ),
    Row("confidence", "else CONFIDENCE, else 0.4", (FROM_ENVIRONMENT, DEFAULTS, OPTIONS)),
    Row("iou_threshold", "else IOU_THRESHOLD, else 0.3", (DEFAULTS, OPTIONS)),
    Row("max_candidates", "has no effect", (REFUSED_OF_MODELS,), differs="a `max_candidates` other than 3000"),
    Row("max_detections", "else MAX_DETECTIONS, else 300", (FROM_ENVIRONMENT, DEFAULTS, OPTIONS)),
    Row("mask_decode_mode", "accurate", (REFUSED_OF_MODELS,), differs="masks that are not decoded accurately"),
    Row("tradeoff_factor", "of the mode that is not here", (REFUSED_OF_MODELS,), differs="masks that are not decoded"),
    Row(
        "active_learning_enabled",
        "nothing is uploaded",
        (REFUSED_OF_MODELS,),
        differs="`active_learning_enabled=True`",
    ),
    Row(
        "active_learning_target_dataset",
        "nothing is uploaded",
        (REFUSED_OF_MODELS,),
        differs="`active_learning_target_",
    ),
    Row("video_source_properties", "one mapping for all sources, or a list with one for each", (PROPERTIES, REFUSED)),
    Row(
        "video_source_properties",
        "a producer gets them; files know where to begin",
        (SAMPLES + "test_a_camera_of_ones_own", OPTIONS, REFUSED),
        differs="`video_source_properties` of files and addresses",
    ),
    Row(
        "batch_collection_timeout",
        "seconds; None: no limit",
        (
            FILES + "test_a_timeout_makes_parts_of_batches_and_loses_nothing",
            UNIT + "test_windows.py::test_no_timeout_never_closes",
        ),
    ),
    Row(
        "video_processing_mode",
        "auto, every_frame, freshest, legacy, none",
        (ARGUMENTS + "test_each_processing_mode_says_what_is_taken_and_how_long_is_waited",),
    ),
    Row(
        "max_staleness",
        "0.5 s in auto",
        (
            ARGUMENTS + "test_each_processing_mode_says_what_is_taken_and_how_long_is_waited",
            ARGUMENTS + "test_max_staleness_can_be_chosen_in_auto",
        ),
    ),
    Row("max_staleness", "means nothing in other modes", (REFUSED,), differs="Arguments that contradict each other"),
    Row("sink_mode", "ADAPTIVE, BATCH or SEQUENTIAL", (FILES + "test_the_shape_of_calls",)),
    Row(
        "predictions_queue_size",
        "bounds what waits for the sink",
        (
            ARGUMENTS + "test_a_queue_of_one_prediction_is_enough",
            FILES + "test_a_slow_sink_is_waited_for_and_nothing_heaps_up",
        ),
        differs="`predictions_queue_size` is only an upper bound",
    ),
    Row(
        "decoding_buffer_size",
        "bounds the frames of a source that wait",
        (
            FILES + "test_a_buffer_of_any_size",
            UNIT + "test_multiplexer_drops.py::test_a_full_buffer_drops_one_end",
            REFUSED,
        ),
        differs="1 to 250",
    ),
    Row(
        "exec_session_id",
        "given, or time and four digits",
        (ARGUMENTS + "test_a_session_has_the_id_that_is_given_or_one_of_its_own",),
    ),
    Row(
        "tracker",
        "is of this package: detections have a `tracker_id` if it is given, and only then",
        (MODELS + "test_predictions_have_the_numbers_of_objects_if_asked_for", REFUSED_OF_MODELS),
        differs="`tracker` is an argument more",
    ),
    Row(
        "on_video_frame", "gets a list, also of one source", (FILES + "test_one_source_is_still_a_list_for_the_logic",)
    ),
    Row(
        "on_video_frame",
        "returns one result for each frame; anything else is an error",
        (
            LIFE + "test_logic_that_gives_no_result_for_a_frame_is_an_error",
            FLOW + "test_results_that_are_no_list_are_told_and_not_guessed_at",
        ),
        differs="results of `on_video_frame`",
    ),
    Row("on_pipeline_start", "inside `start`, before the first frame", (HOOKS,)),
    Row("on_pipeline_start", "what it raises `start` raises", (LIFE + "test_a_start_hook_that_raises_ends_the_start",)),
    Row("on_pipeline_end", "once a run", (HOOKS,), differs="`on_pipeline_end`"),
    Row("allow_tensor_frames", "frames are arrays", (REFUSED,), differs="`allow_tensor_frames=True`"),
)

METHODS = (
    Row("init", "its parameters, in order, with their defaults", (SIGNATURE,)),
    Row("init_with_custom_logic", "its parameters, in order, with their defaults", (SIGNATURE,)),
    Row("init_with_workflow", "is not here", (REFUSED,), differs="`init_with_workflow`"),
    Row("init_with_yolo_world", "is not here", (REFUSED,), differs="`init_with_yolo_world`"),
    Row(
        "start",
        "calls the sink in this thread until the end, or in one of its own",
        (
            ARGUMENTS + "test_start_dispatches_in_the_main_thread_unless_told_otherwise",
            LIFE + "test_sinks_are_called_where_it_was_asked_for",
        ),
    ),
    Row(
        "start",
        "raises what ends the pipeline",
        (
            LIFE + "test_logic_that_raises_ends_the_pipeline_and_is_raised",
            LIFE + "test_a_file_that_breaks_off_is_an_error_at_the_end",
        ),
        differs="**Errors are raised.**",
    ),
    Row(
        "start",
        "again after the end",
        (
            LIFE + "test_one_that_has_ended_can_be_started_again",
            LIFE + "test_one_that_was_terminated_can_be_started_again",
        ),
        differs="An object that has ended can be started again",
    ),
    Row("join", "waits, and may be called again", (HOOKS,)),
    Row("join", "does nothing before the start", (LIFE + "test_before_the_start_nothing_happens",)),
    Row(
        "terminate",
        "before the start, repeatedly, by any thread",
        (
            LIFE + "test_before_the_start_nothing_happens",
            TERMINATE + "test_another_thread_ends_it_and_what_comes_then_is_not_called",
            SAMPLES + "test_a_thread_commands_the_pipeline_and_ends_it",
        ),
    ),
    Row("terminate", "inside callbacks", (TERMINATE + "test_a_pipeline_ends_itself",)),
    Row("terminate", "inside a signal handler", (SAMPLES + "test_a_signal_ends_the_pipeline_in_order",)),
    Row("terminate", "while a source connects", (LIVE + "test_ending_while_a_camera_connects",)),
    Row(
        "pause_stream",
        "one source or all",
        (
            ARGUMENTS + "test_a_stream_is_named_by_source_id_or_all_are_meant",
            LIVE + "test_one_source_is_stopped_while_the_other_flows",
        ),
    ),
    Row(
        "pause_stream",
        "an unknown source_id is none",
        (UNIT + "test_streams.py::test_modes_are_states_of_an_open_source",),
    ),
    Row("mute_stream", "one source or all", (LIVE + "test_one_source_is_stopped_while_the_other_flows",)),
    Row("resume_stream", "one source or all", (LIVE + "test_one_source_is_stopped_while_the_other_flows",)),
    Row(
        "environment",
        "sizes of buffers and rules of dropping are arguments",
        (ARGUMENTS + "test_buffers_of_the_environment_have_no_effect",),
        differs="Other environment variables of the original",
    ),
    Row(
        "environment",
        "where models are fetched from and kept",
        ("unit/config/test_environment.py::test_store_settings",),
    ),
)
