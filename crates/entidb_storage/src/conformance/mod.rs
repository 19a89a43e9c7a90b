//! What every backend must do, as cases anyone can run on theirs (feature `conformance`).
//!
//! Always: a case takes an empty backend and asserts by panicking; its name is a claim. Where a backend may lack an
//! ability, the case asserts that it says so. Cases leave nothing outside the backend they were given.
//! Does not know: any one backend; what only real files do is tested beside them.

#![expect(clippy::unwrap_used, reason = "a case asserts by panicking")]

mod appending;
mod content;
mod growth;
mod locks;
mod names;
mod opening;
mod renaming;
mod scarcity;
mod sharing;

use crate::backend::Backend;
use crate::error::{ErrorKind, Result};

/// One claim: its name, and the function that proves it on the backends that `make` makes, each of them empty.
pub type Case = (&'static str, fn(make: &dyn Fn() -> Backend));

/// One claim about a device that gets full; `make` makes an empty backend on a device that holds about that number of bytes and
/// that nobody else uses.
pub type ScarcityCase = (&'static str, fn(make: &dyn Fn(u64) -> Backend));

/// Names the functions of a module as cases.
macro_rules! cases {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        &[$($((concat!(stringify!($module), "::", stringify!($case)), $module::$case as _),)+)+]
    };
}

static SCARCITY_CASES: &[ScarcityCase] = cases! {
    scarcity:
        free_bytes_fall_with_what_is_written_and_rise_when_it_goes,
        a_full_device_takes_a_prefix_and_says_no_space,
        a_full_device_lets_bytes_be_written_over,
        a_full_device_lets_names_be_made_renamed_and_removed,
        a_removed_file_gives_its_room_back_with_its_last_handle,
        room_refused_to_one_file_may_be_taken_by_a_smaller_one;
};

static CASES: &[Case] = cases! {
    opening:
        a_missing_file_is_not_found,
        a_missing_file_is_not_found_for_writing,
        create_new_makes_an_empty_file,
        create_new_refuses_an_existing_file,
        create_or_open_makes_a_missing_file,
        create_or_open_keeps_the_bytes,
        write_keeps_the_bytes,
        read_refuses_every_change,
        a_failed_open_creates_nothing,
        a_folder_is_not_a_file,
        a_file_is_not_a_folder,
        a_file_in_a_missing_folder_is_not_found,
        a_folder_can_be_made_twice,
        a_folder_cannot_take_the_name_of_a_file,
        an_empty_folder_can_be_removed_and_no_other,
        a_file_says_its_name,
        an_error_says_what_was_asked_of_what,
        a_name_may_be_made_again_after_removal;
    names:
        names_that_leave_the_root_are_refused,
        empty_names_are_refused,
        strange_characters_are_refused,
        deep_names_are_refused,
        long_names_are_refused_and_200_bytes_are_not,
        windows_devices_and_trailing_dots_are_refused,
        every_call_judges_names,
        names_outside_ascii_work,
        a_refused_name_creates_nothing;
    content:
        bytes_read_back_as_written,
        reading_past_the_end_finds_nothing,
        reading_across_the_end_is_short,
        an_exact_read_past_the_end_says_how_much_there_was,
        an_empty_read_is_nothing,
        an_empty_write_changes_nothing,
        a_write_in_the_middle_leaves_the_rest,
        a_gap_reads_as_zeros,
        small_pieces_make_a_large_file,
        random_writes_agree_with_a_plain_vector,
        a_read_may_start_at_any_offset,
        a_write_at_an_impossible_offset_is_refused,
        flushes_succeed_and_change_nothing,
        hints_change_nothing,
        a_reader_sees_what_a_writer_wrote;
    growth:
        set_len_cuts,
        set_len_grows_with_zeros,
        bytes_cut_off_do_not_come_back,
        set_len_beyond_any_file_is_refused,
        preallocate_grows_with_zeros,
        preallocate_overwrites_with_zeros,
        preallocate_leaves_the_rest,
        preallocate_nothing_changes_nothing,
        preallocate_beyond_any_file_is_refused,
        a_far_byte_makes_a_long_file;
    appending:
        append_says_where_it_wrote,
        append_joins_its_parts,
        append_of_nothing_says_the_end,
        append_takes_thousands_of_parts,
        append_goes_behind_a_far_write,
        append_follows_set_len,
        append_through_a_reader_is_refused,
        appends_of_many_threads_do_not_overlap;
    renaming:
        rename_moves_the_bytes,
        rename_replaces,
        rename_of_a_missing_file_is_not_found_and_keeps_the_target,
        rename_moves_between_folders,
        rename_refuses_folders,
        rename_into_a_missing_folder_is_not_found,
        rename_to_itself_changes_nothing,
        an_open_file_survives_its_renaming,
        hard_link_shares_the_bytes,
        hard_link_survives_the_removal_of_the_first_name,
        hard_link_refuses_a_taken_name,
        hard_link_of_a_missing_file_is_not_found,
        remove_takes_the_name_away,
        remove_of_a_missing_file_is_not_found,
        remove_refuses_folders,
        a_removed_file_lives_on_in_its_handles,
        a_replaced_file_lives_on_in_its_handles,
        an_empty_root_lists_nothing,
        list_is_sorted_and_tells_files_from_folders,
        list_shows_only_its_own_folder,
        list_of_a_missing_folder_is_not_found,
        list_of_a_file_is_not_a_folder,
        flush_names_succeeds_on_every_folder,
        flush_names_of_a_missing_folder_is_not_found;
    locks:
        an_exclusive_lock_excludes_another,
        an_exclusive_lock_excludes_a_shared_one,
        a_shared_lock_excludes_an_exclusive_one,
        shared_locks_stand_together,
        a_lock_ends_with_its_holder,
        the_last_shared_holder_frees_the_lock,
        a_lock_is_of_its_folder_whatever_its_name,
        a_lock_outlives_its_name,
        a_lock_says_its_kind,
        a_shared_lock_creates_nothing,
        a_lock_on_a_folder_is_refused,
        a_lock_in_a_missing_folder_is_not_found,
        a_lost_race_leaves_the_winner_alone,
        of_many_threads_one_gets_the_lock;
    sharing:
        many_readers_read_at_once,
        readers_beside_a_writer_see_whole_writes_that_were_there,
        many_threads_make_different_files,
        one_of_many_threads_makes_a_new_file,
        two_backends_are_strangers,
        handles_outlive_the_backend,
        free_bytes_are_known_or_unsupported,
        the_clock_does_not_go_back,
        random_bytes_differ;
};

/// All cases, in a fixed order.
///
/// ```
/// use entidb_storage::{Backend, conformance};
/// for (name, case) in conformance::cases() {
///     println!("{name}");
///     case(&|| Backend::memory());
/// }
/// ```
#[must_use]
pub fn cases() -> Vec<Case> {
    CASES.to_vec()
}

/// The cases that need a small device of their own, in a fixed order.
///
/// ```
/// use entidb_storage::{Backend, MemoryDirectory, conformance};
/// use std::sync::Arc;
/// for (name, case) in conformance::scarcity_cases() {
///     println!("{name}");
///     case(&|bytes| Backend::of_system(Arc::new(MemoryDirectory::with_capacity(bytes))));
/// }
/// ```
#[must_use]
pub fn scarcity_cases() -> Vec<ScarcityCase> {
    SCARCITY_CASES.to_vec()
}

/// What was found where a failure was to be.
fn kind<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => ErrorKind::Device { os_code: Some(i32::MIN) },
        Err(error) => error.kind,
    }
}

/// The whole file `name`.
fn bytes_of(backend: &Backend, name: &str) -> Vec<u8> {
    let file = backend.directory.open(name, crate::OpenMode::Read).unwrap();
    let mut bytes = vec![0xAA; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// Makes the file `name` with these bytes.
fn put(backend: &Backend, name: &str, bytes: &[u8]) {
    let file = backend.directory.open(name, crate::OpenMode::CreateNew).unwrap();
    file.write_all_at(0, bytes).unwrap();
}

/// The names in a folder, in the order of the listing.
fn names_in(backend: &Backend, folder: &str) -> Vec<String> {
    backend.directory.list(folder).unwrap().into_iter().map(|entry| entry.name).collect()
}
