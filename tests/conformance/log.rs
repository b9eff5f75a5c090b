//! What every log has to do.
//!
//! A case is a generic function over a [`Subject`]; `conformance!` makes each of them a test of its own for one
//! implementation. A new implementation brings a `Subject` and a line at the end of this file.

mod group;
mod kafka;
mod kit;
mod memory;
mod reader;
mod record;
mod sqlite;
mod topic;

use orchestrator::log::Log;
use std::sync::Arc;
use std::time::Duration;

/// An implementation under test: one empty log, reached from several processes.
pub trait Subject {
    /// Whether the server that it needs is there; where somebody asked to do without, its cases are skipped aloud.
    fn is_there() -> bool {
        true
    }
    /// An empty log (a namespace of its own).
    fn fresh() -> Self;
    /// Another handle on the same log, as another process would have it.
    fn open(&self) -> Arc<dyn Log>;
    /// What this log calls a group of the test: on a broker, groups of all tests live side by side.
    fn group(&self, name: &str) -> String {
        name.to_owned()
    }
    /// Lets a moment go by, while a test waits for a condition.
    fn tick(&self) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Makes every case a test of `$subject` in a module `$name`; attributes go to each test.
macro_rules! conformance {
    ($(#[$attribute:meta])* $name:ident, $subject:ty) => {
        conformance! { @cases $(#[$attribute])* $name, $subject,
            record {
                records_of_one_partition_stay_in_order,
                an_acknowledgement_says_where_the_record_stands,
                a_key_decides_the_partition_as_in_the_java_client,
                a_record_without_key_and_partition_goes_somewhere,
                what_is_in_a_record_comes_back,
                a_record_over_the_limit_is_refused_and_the_next_is_taken,
                an_unknown_topic_is_refused,
                a_partition_that_is_not_there_is_refused,
                what_was_acknowledged_outlives_its_appender,
                appenders_of_two_processes_share_a_partition,
            }
            reader {
                the_end_is_said_after_the_last_record_and_again_after_new_ones,
                reading_begins_where_it_is_told_to,
                a_partition_assigned_again_is_read_again,
                an_unassigned_partition_is_silent,
                a_partition_held_back_loses_nothing,
                partitions_are_read_side_by_side,
                what_another_process_writes_is_read,
                an_offset_that_is_not_there_is_lost,
                large_records_come_one_after_another,
                a_poll_with_nothing_to_say_returns,
            }
            topic {
                ends_are_those_of_now,
                an_offset_is_found_by_the_time_of_its_record,
                a_time_without_records_is_the_end,
                an_unknown_topic_has_no_partitions,
                creating_a_topic_again_changes_nothing,
                a_topic_keeps_its_settings,
                two_handles_name_the_same_cluster,
            }
            group {
                a_lone_member_is_given_everything,
                a_member_that_has_nothing_to_own_is_told_so,
                two_members_share_the_partitions,
                whoever_leaves_makes_room,
                a_commit_is_handed_to_the_next_member,
                a_member_that_lost_a_partition_cannot_commit_it,
                a_member_commits_its_last_position_before_a_partition_is_anothers,
                a_member_that_left_cannot_commit,
                metadata_over_the_limit_is_refused,
                fetching_begins_at_what_was_committed,
                fetching_without_a_commit_begins_at_the_start,
                a_member_that_only_assigns_gets_no_records,
                a_fetched_partition_held_back_loses_nothing,
                groups_do_not_know_each_other,
                a_group_that_nobody_has_joined_has_no_members,
                a_group_is_seen_from_outside,
            }
        }
    };
    (@cases $(#[$attribute:meta])* $name:ident, $subject:ty, $($room:ident { $($case:ident,)* })*) => {
        conformance! { @tests [$(#[$attribute])*] $name, $subject, $($($room $case,)*)* }
    };
    (@tests $attributes:tt $name:ident, $subject:ty, $($room:ident $case:ident,)*) => {
        mod $name {
            $(conformance! { @test $attributes $subject, $room $case })*
        }
    };
    (@test [$(#[$attribute:meta])*] $subject:ty, $room:ident $case:ident) => {
        #[test]
        $(#[$attribute])*
        fn $case() {
            use super::*;
            if <$subject as Subject>::is_there() {
                super::$room::$case(&<$subject as Subject>::fresh());
            }
        }
    };
}

conformance!(in_memory, memory::MemorySubject);
conformance!(sqlite_between_processes, sqlite::BetweenProcesses);
conformance!(sqlite_within_a_process, sqlite::WithinAProcess);
conformance!(on_kafka, kafka::OnKafka);
