"""What the `InferencePipeline` interface promises of states, strategies, batches and sinks, and the tests of it."""

from __future__ import annotations

from conformance.inference_pipeline_rows import FILES, FLOW, LIFE, LIVE, MODELS, SAMPLES, TERMINATE, UNIT, Row

STREAMS = UNIT + "test_streams.py::"
MULTIPLEXER = UNIT + "test_multiplexer.py::"
DROPS = UNIT + "test_multiplexer_drops.py::"
WINDOWS = UNIT + "test_windows.py::"
ENDED = FLOW + "test_a_source_that_has_ended_can_neither_be_stopped_nor_resumed"
WHAT_IS_REFUSED = STREAMS + "test_what_cannot_be_asked_for_is_refused"
TWICE = STREAMS + "test_asking_twice_is_harmless_but_not_for_something_else"
FULL = DROPS + "test_a_full_buffer_drops_one_end"

STATES = (
    Row("states", "there are nine", (UNIT + "test_choices.py::test_2_2_there_are_nine_states",)),
    Row(
        "start",
        "NOT_STARTED → INITIALISING → RUNNING → ENDED",
        (
            FLOW + "test_a_file_goes_from_initialising_to_running_to_ended",
            STREAMS + "test_the_states_of_a_stream_are_told_once_each",
        ),
    ),
    Row("start", "what cannot be opened for good: ERROR", (STREAMS + "test_a_failure_is_told_with_its_reason",)),
    Row(
        "pause",
        "RUNNING → PAUSED, nothing is read",
        (
            LIVE + "test_one_source_is_stopped_while_the_other_flows",
            LIVE + "test_a_paused_file_loses_nothing",
        ),
    ),
    Row(
        "mute",
        "RUNNING → MUTED, every frame is dropped with its cause",
        (
            FLOW + "test_frames_of_a_muted_source_are_dropped_with_a_cause",
            STREAMS + "test_drops_in_the_engine_are_told_one_by_one_under_the_causes_that_users_know",
        ),
    ),
    Row("resume", "PAUSED, MUTED → RUNNING", (STREAMS + "test_modes_are_states_of_an_open_source",)),
    Row("pause", "in another state it is refused", (WHAT_IS_REFUSED, ENDED)),
    Row("mute", "in another state it is refused", (WHAT_IS_REFUSED, ENDED)),
    Row("resume", "in another state it is refused", (WHAT_IS_REFUSED, ENDED)),
    Row("pause", "before the start it is refused", (LIVE + "test_before_the_start_there_is_nothing_to_pause",)),
    Row("pause", "twice is harmless", (TWICE,), differs="pausing what is paused"),
    Row("mute", "twice is harmless", (TWICE,), differs="pausing what is paused"),
    Row(
        "terminate",
        "in every state",
        (
            FLOW + "test_a_stopped_source_can_be_terminated",
            TERMINATE + "test_it_ends_at_once_after_the_start",
            LIVE + "test_ending_while_a_camera_connects",
        ),
        differs="works at any time",
    ),
    Row(
        "restart",
        "RESTARTING while a stream reconnects",
        (
            STREAMS + "test_the_states_of_a_stream_are_told_once_each",
            LIVE + "test_a_camera_that_reconnects_is_left_out_and_comes_back",
        ),
    ),
)

STRATEGIES = (
    Row("WAIT", "nothing is dropped; what decodes waits", (DROPS + "test_who_waits_drops_nothing",)),
    Row("DROP_OLDEST", "the oldest gives way", (FULL,)),
    Row(
        "DROP_OLDEST",
        "rates are known of frames that pushed others out",
        (FLOW + "test_dropped_frames_leave_gaps_in_the_ids_and_rates_are_known_of_those_that_come",),
    ),
    Row("DROP_LATEST", "the new one gives way", (FULL,)),
    Row(
        "ADAPTIVE_DROP_OLDEST",
        "as DROP_OLDEST: no rate that a camera declares decides",
        (UNIT + "test_references.py::test_the_strategies_decide_the_delivery",),
        differs="the adaptive ones mean the same",
    ),
    Row(
        "ADAPTIVE_DROP_LATEST",
        "as DROP_LATEST",
        (UNIT + "test_references.py::test_the_strategies_decide_the_delivery",),
        differs="the adaptive ones mean the same",
    ),
    Row("LAZY", "one after the other, from the oldest", (FILES + "test_every_frame_of_a_file_once_and_in_order",)),
    Row(
        "EAGER",
        "the newest; older ones are dropped and told",
        (DROPS + "test_live_sources_give_the_newest_and_every_drop_is_told",),
    ),
    Row("EAGER", "the last frame of a file comes", (DROPS + "test_a_file_that_is_taken_eagerly_keeps_its_last_frame",)),
    Row(
        "default",
        "files wait and are lazy; streams drop the oldest and are eager",
        (
            DROPS + "test_who_waits_drops_nothing",
            DROPS + "test_live_sources_give_the_newest_and_every_drop_is_told",
            LIVE + "test_a_slow_callback_gets_the_freshest_and_the_rest_is_told",
        ),
    ),
    Row(
        "frame_id",
        "counts dropped frames too",
        (FLOW + "test_dropped_frames_leave_gaps_in_the_ids_and_rates_are_known_of_those_that_come",),
    ),
    Row(
        "drops",
        "each has a cause, and the keys of a drop",
        (
            FLOW + "test_dropped_frames_leave_gaps_in_the_ids_and_rates_are_known_of_those_that_come",
            UNIT + "test_watchdog.py::test_7_every_drop_is_counted_under_its_cause",
        ),
        differs="dropped frames",
    ),
)

BATCHES = (
    Row(
        "collection",
        "the next frame of each source, in their order, and no holes",
        (
            FLOW + "test_logic_gets_the_frames_that_are_there_in_the_order_of_their_sources",
            MULTIPLEXER + "test_a_batch_has_one_frame_of_each_source_in_their_order",
        ),
    ),
    Row(
        "collection",
        "a source that reconnects is left out",
        (
            LIVE + "test_a_camera_that_reconnects_is_left_out_and_comes_back",
            MULTIPLEXER + "test_a_source_that_is_away_is_skipped_until_it_brings_a_frame",
        ),
    ),
    Row(
        "collection",
        "one that is silent is waited for once",
        (
            LIVE + "test_a_camera_that_falls_silent_holds_up_nobody_for_long",
            MULTIPLEXER + "test_a_live_source_that_falls_silent_holds_up_the_others_only_once",
        ),
        differs="one that falls silent is waited",
    ),
    Row(
        "collection",
        "all away: nothing happens, and nothing spins",
        (
            MULTIPLEXER + "test_all_away_is_a_pause_and_no_end",
            MULTIPLEXER + "test_nothing_waits_for_nothing",
        ),
    ),
    Row(
        "timeout",
        "runs from the batch before",
        (MULTIPLEXER + "test_the_time_runs_from_the_batch_before_so_the_takers_work_is_part_of_it",),
    ),
    Row("timeout", "0: what is there", (MULTIPLEXER + "test_no_time_at_all_gives_at_once_what_is_there",)),
    Row(
        "timeout",
        "None: all are waited for",
        (MULTIPLEXER + "test_without_a_timeout_a_file_is_waited_for_as_long_as_it_takes",),
    ),
    Row(
        "timeout",
        "parts of batches, and no frame of a file lost",
        (FILES + "test_a_timeout_makes_parts_of_batches_and_loses_nothing",),
    ),
    Row(
        "end",
        "a shorter file is missing from later batches",
        (FILES + "test_files_of_different_lengths_leave_holes_behind_their_ends",),
    ),
    Row(
        "end",
        "it is over when all have ended",
        (MULTIPLEXER + "test_it_is_over_when_all_have_ended_and_nothing_waits",),
    ),
    Row(
        "max_fps",
        "batches a second: max_fps by the number of sources",
        (FLOW + "test_max_fps_of_two_files_is_half_as_many_batches",),
    ),
    Row("max_fps", "files wait and lose nothing", (FILES + "test_max_fps_of_files_waits_and_loses_nothing",)),
    Row(
        "max_fps",
        "of live sources the newest is kept, and drops are told",
        (
            LIVE + "test_max_fps_of_a_camera",
            DROPS + "test_a_limited_live_source_gives_the_newest_and_tells_what_it_drops",
        ),
        differs="of live sources the newest frame is kept",
    ),
    Row("max_fps", "the pace does not drift", (DROPS + "test_a_late_batch_does_not_delay_the_next_one",)),
    Row(
        "max_fps", "near 0: one batch in 100 s", (WINDOWS + "test_a_limit_near_zero_is_one_batch_in_a_hundred_seconds",)
    ),
    Row(
        "freshest",
        "the newest, collected for 20 ms",
        (
            "conformance/test_inference_pipeline_arguments.py::test_freshest_collects_for_20_ms",
            LIVE + "test_every_mode_gives_frames_of_all_cameras_in_order",
        ),
    ),
    Row(
        "every_frame",
        "one after the other, with a window that tunes itself",
        (
            WINDOWS + "test_with_a_period_the_window_is_what_the_work_leaves_of_it",
            WINDOWS + "test_without_a_known_period_a_fifth_of_the_work_is_waited",
            WINDOWS + "test_the_first_window_is_long",
        ),
    ),
    Row(
        "auto",
        "live frames that are too old are dropped, files' never",
        (DROPS + "test_what_is_too_old_is_dropped_but_never_of_a_file",),
    ),
    Row(
        "generators",
        "multiplex_videos and its kin are not here",
        (UNIT + "test_migration_page.py::test_0_what_is_not_offered_cannot_be_imported",),
        differs="`multiplex_videos`",
    ),
)

SINKS = (
    Row("call", "two positional arguments", (FLOW + "test_a_sink_is_called_with_two_positional_arguments",)),
    Row(
        "SEQUENTIAL",
        "a call for each frame, in order",
        (
            FILES + "test_the_shape_of_calls",
            UNIT + "test_loans.py::test_several_sources_one_after_the_other",
        ),
    ),
    Row(
        "BATCH",
        "two lists with a place for each source, also of one",
        (
            FILES + "test_the_shape_of_calls",
            UNIT + "test_loans.py::test_one_source_as_a_batch",
        ),
    ),
    Row("ADAPTIVE", "one source: frames; several: batches", (SAMPLES + "test_a_sink_for_batches_and_single_frames",)),
    Row(
        "places",
        "None in both lists where a source has no frame",
        (FILES + "test_files_of_different_lengths_leave_holes_behind_their_ends",),
    ),
    Row(
        "sink raises",
        "an update, and the stream goes on",
        (
            FLOW + "test_an_error_of_the_sink_is_an_update_and_no_end",
            LIFE + "test_a_sink_that_raises_is_reported_and_the_stream_goes_on",
        ),
    ),
    Row(
        "logic raises",
        "an update, and the end; results before it are still given",
        (
            FLOW + "test_an_error_of_the_logic_is_an_update_and_the_end",
            LIFE + "test_logic_that_raises_ends_the_pipeline_and_is_raised",
        ),
        differs="What\n  `on_video_frame` raises",
    ),
    Row(
        "model fails at a frame",
        "told and left out",
        (MODELS + "test_frames_at_which_the_model_fails_are_told_and_left_out",),
        differs="never an empty prediction",
    ),
    Row(
        "slow sink",
        "is waited for, and nothing heaps up",
        (FILES + "test_a_slow_sink_is_waited_for_and_nothing_heaps_up",),
        differs="Between the two callbacks waits one batch",
    ),
    Row(
        "Ctrl-C",
        "ends all of it and is raised",
        ("acceptance/test_inference_pipeline.py::test_ctrl_c_ends_the_program",),
    ),
)
