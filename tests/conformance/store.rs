//! What every store has to do. Each case runs against Postgres, SQLite and memory.

#[path = "../support/histories.rs"]
mod histories;

#[path = "store_carried.rs"]
mod carried;
#[path = "store_cases.rs"]
mod cases;
#[path = "store_fixture.rs"]
mod fixture;
#[path = "store_letters.rs"]
mod letters;
#[path = "store_postgres.rs"]
mod postgres_only;
#[path = "store_runs.rs"]
mod runs;

/// Makes a test of each case for each implementation.
macro_rules! for_every_store {
    ($($module:ident :: $case:ident),+ $(,)?) => {
        mod postgres {
            $(#[test] fn $case() { super::fixture::with_postgres(super::$module::$case); })+
        }
        mod sqlite {
            $(#[test] fn $case() { super::fixture::with_sqlite(super::$module::$case); })+
        }
        mod memory {
            $(#[test] fn $case() { super::fixture::with_memory(super::$module::$case); })+
        }
    };
}

for_every_store!(
    cases::tables_are_made_twice_without_harm,
    cases::a_partition_that_was_never_projected_has_no_position,
    cases::a_position_reads_back_as_written,
    cases::a_second_projector_is_fenced_and_writes_nothing,
    cases::partitions_do_not_fence_each_other,
    cases::metrics_of_an_agent_and_minute_add_up,
    cases::what_concerns_no_run_is_found_under_its_partition,
    cases::only_the_newest_of_the_window_are_remembered,
    cases::runs_are_listed_newest_first,
    cases::the_newest_run_of_a_workflow_is_found,
    cases::hostile_texts_do_no_harm,
    carried::outputs_that_were_taken_over_come_back_with_their_run,
    letters::dead_letters_are_found_as_they_stand_in_the_topic,
    letters::a_letter_is_handled_in_whichever_order_partitions_are_projected,
    letters::dead_letters_are_filtered_and_paged,
    letters::letters_of_the_same_fault_are_one_group,
    letters::what_is_said_of_a_workflow_beside_its_runs_is_found,
    letters::errors_of_the_same_fault_are_counted_against_the_period_before,
    runs::recovery_finds_every_unfinished_run_as_it_was_folded,
    runs::rows_of_a_run_read_back,
    runs::two_thousand_rows_fit_into_one_batch,
    runs::payloads_of_a_megabyte_come_back_whole,
    runs::a_run_of_ten_thousand_nodes_comes_back_whole,
);
