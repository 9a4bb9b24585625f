//! How the allocator deals with memory that was freed.
//!
//! Each key frame frees a whole GOP, and what comes next fills as much again. An allocator that gives such
//! pages back to the kernel takes them again within seconds, by a fault and 4 kB of zeros a page: at 500
//! streams that was a quarter of an origin's time.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use std::ffi::c_long;

/// `mi_option_purge_delay` of `mimalloc.h`, in milliseconds; the crate has no name for it.
const PURGE_DELAY: mi_option_t = 15;

/// How long memory that was freed is kept for what comes next: longer than encoders' GOPs last.
const KEPT_MILLIS: c_long = 10_000;

/// Keeps memory that was freed for a while, unless `MIMALLOC_PURGE_DELAY` in the environment says
/// otherwise. To be called once, before a program does anything else.
#[allow(unsafe_code)] // No safe crate sets the allocator's options.
pub fn keep_freed() {
    // SAFETY: takes two numbers, and looks itself whether the first is an option. It is not to be called
    // from two threads at once: so each program calls it first of all.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT_MILLIS) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process::Command};

    /// The option as mimalloc has it now.
    #[allow(unsafe_code)]
    fn purge_delay() -> c_long {
        // SAFETY: as above; the only test of this process that touches options.
        unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }
    }

    #[test]
    fn freed_memory_is_kept_unless_the_environment_says_otherwise() {
        const WANTED: &str = "MIMALLOC_PURGE_DELAY";
        if let Ok(wanted) = env::var(WANTED) {
            let wanted: c_long = wanted.parse().expect("a number");
            // The number is that of the option which mimalloc knows by this name.
            assert_eq!(purge_delay(), wanted);
            keep_freed();
            assert_eq!(purge_delay(), wanted, "the operator has the last word");
            return;
        }
        keep_freed();
        assert_eq!(purge_delay(), KEPT_MILLIS);
        let this = env::current_exe().expect("a test has a program");
        let again = Command::new(this)
            .env(WANTED, "1234")
            .arg("freed_memory_is_kept")
            .output();
        let again = again.expect("it can be run again");
        assert!(again.status.success(), "{again:?}");
        assert!(String::from_utf8_lossy(&again.stdout).contains("1 passed"));
    }
}
