"""What the `InferencePipeline` interface promises of ready-made sinks, predictions, updates and watchdogs."""

from __future__ import annotations

from conformance.inference_pipeline_rows import FLOW, LIVE, SAMPLES, UNIT, Row

RENDERING = UNIT + "sinks/test_rendering.py::"
DISPLAY = UNIT + "sinks/test_display.py::"
UDP = UNIT + "sinks/test_udp.py::"
FAN_OUT = UNIT + "sinks/test_fan_out.py::"
VIDEO_FILE = UNIT + "sinks/test_video_file.py::"
MEMORY = UNIT + "sinks/test_memory.py::"
MOSAIC = UNIT + "sinks/test_mosaic.py::"
ANNOTATION = UNIT + "sinks/test_annotation.py::"
RECORDS = "unit/test_prediction_records.py::"
ACCOUNT = UNIT + "test_watchdog.py::"
KEYS = FLOW + "test_every_update_has_the_keys_of_its_event"
FRAMES = FLOW + "test_updates_of_frames_name_each_of_them"
STATES_TOLD = UNIT + "test_streams.py::test_the_states_of_a_stream_are_told_once_each"
NOT_OFFERED = UNIT + "test_migration_page.py::test_0_what_is_not_offered_cannot_be_imported"

READY_MADE_SINKS = (
    Row(
        "render_boxes",
        "parameters and defaults",
        (RENDERING + "test_5_1_the_parameters_have_their_order_and_defaults",),
    ),
    Row("render_boxes", "a frame with its source", (RENDERING + "test_5_1_a_single_frame_comes_with_its_source",)),
    Row(
        "render_boxes",
        "a batch with its places, black where there is no frame",
        (
            RENDERING + "test_5_1_a_batch_is_a_list_of_places_black_where_there_is_no_frame",
            RENDERING + "test_5_1_an_absent_frame_is_a_black_square_of_256",
        ),
    ),
    Row(
        "render_boxes",
        "annotators of supervision",
        (
            RENDERING + "test_5_1_annotators_of_supervision_can_be_chosen",
            RENDERING + "test_5_1_boxes_and_class_names_are_drawn_by_default_into_a_copy",
        ),
        differs="`render_boxes` draws",
    ),
    Row(
        "render_boxes", "a wrong format is a plain picture", (RENDERING + "test_5_1_a_wrong_format_is_a_plain_picture",)
    ),
    Row(
        "render_statistics",
        "green text at the lower left",
        (
            RENDERING + "test_5_1_statistics_are_green_text_at_the_lower_left",
            RENDERING + "test_5_1_statistics_can_be_rendered_alone",
        ),
        differs="LATENCY in the picture",
    ),
    Row(
        "display_image",
        "a window for each source, tiles for a batch",
        (
            DISPLAY + "test_5_1_a_single_picture_has_a_window_of_its_source",
            DISPLAY + "test_5_1_a_batch_has_one_window_with_tiles",
        ),
    ),
    Row(
        "display_image",
        "no display: said once",
        (
            DISPLAY + "test_without_windows_the_way_to_see_pictures_is_said_once_and_all_goes_on",
            SAMPLES + "test_a_file_is_drawn_and_the_way_to_see_the_pictures_is_said",
        ),
        differs="no display, or OpenCV without windows",
    ),
    Row(
        "create_tiles",
        "sizes, grid, margins",
        (
            MOSAIC + "test_5_1_a_mosaic_of_hd_tiles_has_the_size_of_the_original",
            MOSAIC + "test_5_1_grid_tile_size_margins_and_colours_can_be_chosen",
            MOSAIC + "test_5_1_a_tile_has_the_average_the_smallest_or_the_largest_size",
        ),
    ),
    Row(
        "UDPSink",
        "a datagram for each frame that is there",
        (
            UDP + "test_5_2_the_datagram_is_the_prediction_with_its_metadata",
            UDP + "test_5_2_a_batch_is_one_datagram_for_each_frame_that_is_there",
            SAMPLES + "test_datagrams",
        ),
    ),
    Row("UDPSink", "the options of its socket", (UDP + "test_5_2_the_socket_has_the_options_of_the_original",)),
    Row(
        "UDPSink",
        "the prediction is left as it is",
        (UDP + "test_5_2_the_prediction_is_left_as_it_is",),
        differs="sends a copy",
    ),
    Row(
        "UDPSink",
        "what cannot be sent",
        (
            UDP + "test_5_2_what_is_not_json_is_refused_and_the_sink_goes_on",
            UDP + "test_5_2_what_is_too_large_for_a_datagram_is_refused_with_its_size",
        ),
        differs="a datagram that cannot be sent",
    ),
    Row(
        "multi_sink",
        "each in order; a failure is logged and the others are called",
        (
            FAN_OUT + "test_5_3_every_sink_gets_the_same_in_order",
            FAN_OUT + "test_5_3_a_failure_is_an_error_in_the_log_and_the_others_are_called",
            SAMPLES + "test_several_sinks_one_of_which_records_a_file",
        ),
        differs="logs at most once a second",
    ),
    Row(
        "VideoFileSink",
        "one file, 1280 x 720 unless told otherwise",
        (
            VIDEO_FILE + "test_5_4_the_picture_is_drawn_and_has_1280_by_720",
            VIDEO_FILE + "test_5_4_a_batch_becomes_a_mosaic_in_the_same_file",
            VIDEO_FILE + "test_5_4_an_annotator_and_statistics_can_be_chosen",
        ),
    ),
    Row(
        "VideoFileSink",
        "format and speed",
        (
            VIDEO_FILE + "test_5_4_it_is_h264_in_an_ordinary_mp4",
            VIDEO_FILE + "test_5_4_output_fps_gives_each_picture_the_same_time",
        ),
        differs="its speed",
    ),
    Row(
        "InMemoryBufferSink",
        "two lists; the oldest give way; empty: IndexError",
        (
            MEMORY + "test_5_5_what_is_taken_is_always_two_lists",
            MEMORY + "test_5_5_the_oldest_give_way_and_are_counted",
            MEMORY + "test_5_5_an_empty_buffer_raises_an_index_error",
            SAMPLES + "test_predictions_that_wait_in_a_buffer",
        ),
    ),
    Row("active_learning_sink", "is not here", (NOT_OFFERED,), differs="Not offered are `active_learning_sink`"),
    Row(
        "preview",
        "a page with the pictures; the original has none",
        (UNIT + "sinks/test_preview_page.py::test_predictions_are_drawn_and_the_newest_picture_is_sent",),
        differs="`preview()`",
    ),
    Row("Preview", "what preview gives", (UNIT + "sinks/test_preview_page.py::test_a_release_ends_the_streams",)),
)

PREDICTIONS = (
    Row(
        "object-detection",
        "keys, whole pixels, order",
        ("integration/test_inference_pipeline_models.py::test_predictions_are_the_dictionaries_that_users_know",),
    ),
    Row("instance-segmentation", "points", (ANNOTATION + "test_6_instance_segmentation_tints_the_mask",)),
    Row("keypoint-detection", "keypoints", (RECORDS + "test_key_points",)),
    Row(
        "classification",
        "is written into the picture",
        (ANNOTATION + "test_6_classification_writes_the_classes_into_the_corner",),
    ),
    Row(
        "supervision",
        "reads these dictionaries",
        (
            ANNOTATION + "test_6_conversion_gives_what_the_library_reads_from_the_same_dictionary",
            SAMPLES + "test_a_sink_that_draws_with_supervision",
        ),
    ),
)

SEVERITIES = UNIT + "test_events.py::test_7_every_event_has_its_severity_and_context"
EVENTS = (
    Row(
        "INFERENCE_THREAD_STARTED",
        "first",
        (SEVERITIES, KEYS, FLOW + "test_an_error_of_the_logic_is_an_update_and_the_end"),
    ),
    Row(
        "INFERENCE_THREAD_FINISHED",
        "after an error too",
        (SEVERITIES, KEYS, FLOW + "test_an_error_of_the_logic_is_an_update_and_the_end"),
    ),
    Row("INFERENCE_COMPLETED", "names the frames of a batch", (SEVERITIES, KEYS, FRAMES)),
    Row(
        "INFERENCE_ERROR",
        "type, message, where",
        (SEVERITIES, FLOW + "test_an_error_of_the_logic_is_an_update_and_the_end"),
    ),
    Row(
        "INFERENCE_RESULTS_DISPATCHING_ERROR",
        "type, message, where",
        (SEVERITIES, KEYS, FLOW + "test_an_error_of_the_sink_is_an_update_and_no_end"),
    ),
    Row("SOURCE_STATE_UPDATE", "before and after", (SEVERITIES, KEYS, STATES_TOLD)),
    Row(
        "SOURCE_ERROR",
        "reason and message",
        (SEVERITIES, KEYS, UNIT + "test_streams.py::test_a_failure_is_told_with_its_reason"),
    ),
    Row("SOURCE_CONNECTION_ATTEMPT_FAILED", "is never told, as in the original", (SEVERITIES,)),
    Row("SOURCE_CONNECTION_LOST", "is never told, as in the original", (SEVERITIES,)),
    Row("VIDEO_CONSUMPTION_STARTED", "once a source", (SEVERITIES, KEYS, STATES_TOLD)),
    Row("VIDEO_CONSUMPTION_FINISHED", "once a source", (SEVERITIES, KEYS, STATES_TOLD)),
    Row("FRAME_CAPTURED", "each frame that reaches the user", (SEVERITIES, KEYS, FRAMES), differs="`FRAME_CAPTURED`"),
    Row("FRAME_CONSUMED", "each frame that reaches the user", (SEVERITIES, KEYS, FRAMES)),
    Row(
        "FRAME_DROPPED",
        "each frame that does not, with the cause",
        (
            SEVERITIES,
            UNIT
            + "test_streams.py::test_a_drop_is_told_with_its_frame_if_that_came_here_and_always_with_the_same_keys",
            FLOW + "test_dropped_frames_leave_gaps_in_the_ids_and_rates_are_known_of_those_that_come",
        ),
        differs="`frame_id` and `frame_timestamp` of a drop",
    ),
)

WATCHDOG = (
    Row("updates", "the last 512 above DEBUG", (ACCOUNT + "test_7_the_last_512_updates_above_debug_are_kept",)),
    Row(
        "latencies",
        "means of the last 64, in seconds, for each source",
        (
            ACCOUNT + "test_7_means_are_over_the_last_64_frames",
            ACCOUNT + "test_7_latencies_are_means_in_seconds_and_the_whole_one_includes_the_sink",
        ),
        differs="`e2e_latency`",
    ),
    Row(
        "throughput",
        "over the last 30 frames of all sources",
        (
            ACCOUNT + "test_7_throughput_counts_the_frames_of_all_sources",
            UNIT + "test_throughput.py::test_7_the_rate_is_over_the_last_30_frames",
        ),
    ),
    Row(
        "sources",
        "described",
        (ACCOUNT + "test_7_sources_are_described", UNIT + "test_streams.py::test_a_source_describes_itself"),
    ),
    Row(
        "completion",
        "how far each source has come",
        (ACCOUNT + "test_7_completion_tells_how_far_each_source_has_come",),
    ),
    Row(
        "of one's own",
        "completion and report are optional",
        (ACCOUNT + "test_7_completion_and_report_are_optional_in_a_watchdog_of_ones_own",),
    ),
    Row(
        "handlers",
        "what they raise does no harm",
        ("integration/test_inference_pipeline_life.py::test_a_handler_that_raises_does_no_harm",),
    ),
    Row("states", "seen while it runs", (LIVE + "test_one_source_is_stopped_while_the_other_flows",)),
)
