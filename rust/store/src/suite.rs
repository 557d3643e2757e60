//! The test suite that every adapter runs: what the traits promise, as functions over the traits.
//!
//! An adapter's own test makes an adapter and calls [`run`]. Cases use organisations of their own, so
//! one store may serve all of them, but not two runs.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admin;
mod conversations;
mod crash;
mod faults;
mod journal;
mod knowledge;
mod limits;
mod messages;
mod model;
mod records;
mod sequences;
mod sessions;
mod together;
mod transfer;
mod turns;

use crate::{Conversation, Scope, Session, StorageAdapter};
use std::pin::Pin;

pub use crash::{Killed, check_after_kills, kill_in_a_loop, say, write_until_killed};
pub use faults::{Faults, survive_faults};
pub use sequences::random_operations;
pub use together::two_stores_agree;
pub use transfer::{assert_alike, fill, fill_hard, move_all};

/// A conversation and a session on it, of valid ids that depend on the scope alone.
#[must_use]
pub fn conversation_with_session(scope: &Scope) -> (Conversation, Session) {
    let conversation = records::conversation(scope, "measured");
    let session = records::session(&conversation, "measured");
    (conversation, session)
}

/// A case, begun.
type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One promise and the function that holds a store to it.
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    check: fn(StorageAdapter) -> Running,
}

impl Case {
    /// Holds the store to the promise.
    ///
    /// # Panics
    /// When it is broken.
    pub async fn check(&self, store: StorageAdapter) {
        (self.check)(store).await;
    }
}

macro_rules! cases {
    ($($module:ident::{$($case:ident),* $(,)?})*) => {
        vec![$($(Case { name: stringify!($case), check: |store| Box::pin($module::$case(store)) },)*)*]
    };
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    cases! {
        conversations::{
            a_conversation_is_read_back_by_its_scope_only,
            creating_twice_with_one_key_gives_the_first,
            the_list_is_newest_first_and_without_empty_ones,
            a_rename_is_seen_and_moves_the_conversation_up,
            racing_creates_with_one_key_make_one_conversation,
            hostile_names_and_keys_stay_apart_and_come_back,
        }
        messages::{
            messages_are_paged_newest_first_without_gaps,
            paging_goes_on_where_it_was_while_messages_are_added,
            a_page_begins_before_a_message_or_an_instant,
            an_unknown_cursor_is_refused,
            a_message_is_added_once,
            another_scope_reads_and_adds_nothing,
            parallel_messages_are_all_kept_in_one_order,
            hostile_and_long_texts_come_back_as_they_were,
        }
        sessions::{
            a_session_is_read_back_by_its_scope_only,
            activity_and_contact_are_added_up,
        }
        turns::{
            one_of_64_claims_wins,
            a_claim_is_taken_over_when_its_lease_has_ended,
            a_lost_claim_can_do_nothing,
            a_renewed_lease_holds_longer,
            a_parked_turn_is_data_that_one_verdict_takes,
            a_parked_turn_holds_until_it_expires,
            attempts_are_spent_exactly,
            the_last_32_ended_turns_are_remembered,
            another_scope_sees_and_takes_no_turn,
        }
        journal::{
            the_journal_keeps_its_order_and_refuses_a_lost_claim,
        }
        knowledge::{
            a_document_is_replaced_as_a_whole,
            an_unchanged_document_is_not_written,
            a_deleted_document_is_gone_everywhere,
            documents_are_listed_by_id_in_pages,
            a_reader_finds_what_he_may_read_only,
            words_are_found_in_other_forms,
            the_nearest_vectors_come_first,
            passages_come_in_the_order_asked,
            documents_change_while_they_are_searched,
            hostile_names_and_questions_do_no_harm,
        }
        admin::{
            an_admin_record_is_replaced_listed_and_removed,
        }
        transfer::{
            what_was_written_comes_out_as_records,
            records_are_taken_in_and_come_out_again,
            a_turn_that_moved_is_held_and_resumed,
            a_record_of_an_unknown_conversation_is_refused,
        }
        limits::{
            a_message_of_one_mebibyte_comes_back,
            records_of_more_than_400_kib_come_back,
            a_document_of_many_chunks_is_found_replaced_and_removed,
            a_list_of_many_names_is_obeyed,
            ten_thousand_messages_keep_their_order,
        }
    }
}

/// Runs every case, and 200 random operations from each of 20 seeds beside a plain model.
///
/// # Panics
/// When a promise is broken; the name of the case is in the message of the thread or task.
pub async fn run(store: impl AsyncFn() -> StorageAdapter) {
    for case in cases() {
        case.check(store().await).await;
    }
    for seed in 0..20 {
        random_operations(store().await, seed, 200).await;
    }
}
