//! The one thread that forks.
//!
//! The kernel sends a child its parent-death signal when the *thread* that forked it ends, and test
//! threads come and go; this one ends with the process, which is what is meant.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{
        LazyLock,
        mpsc::{self, SyncSender},
    },
    thread,
};

use rustix::process::{Signal, set_parent_process_death_signal};

type Order = (Command, SyncSender<io::Result<Child>>);

/// Whoever orders waits for the child, so that more than the tests' threads never stand here.
const ORDERS_MAX: usize = 64;

static ORDERS: LazyLock<SyncSender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::sync_channel::<Order>(ORDERS_MAX);
    thread::Builder::new()
        .name("spawner".into())
        .spawn(move || {
            for (mut command, answer) in inbox {
                // Whoever asked may have given up; then the child is dropped, unkilled but mortal.
                let _ = answer.send(command.spawn());
            }
        })
        .expect("a test process can start one more thread");
    orders
});

/// Starts `command` so that it dies when this process does.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    // SAFETY: between fork and exec only one system call is made; nothing is allocated or locked.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    let (answer, child) = mpsc::sync_channel(1);
    ORDERS.send((command, answer)).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}
