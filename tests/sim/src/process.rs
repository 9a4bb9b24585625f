//! A process of a simulated machine: all of its tasks stop at once when it is paused, and are gone at
//! once when it is killed.
//!
//! Paused is as by SIGSTOP: timers run out and messages arrive, and nothing of it is seen until the
//! process goes on; then everything is late.

use controller::program::Wall;
use parking_lot::Mutex;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::task::AbortHandle;

/// A handle on a process; all clones are the same.
#[derive(Clone)]
pub struct Process {
    inner: Arc<Mutex<Inner>>,
    wall: Wall,
}

#[derive(Default)]
struct Inner {
    paused: bool,
    dead: bool,
    waiting: Vec<Waker>,
    tasks: Vec<AbortHandle>,
}

impl Process {
    /// Starts a process on a machine with this clock on its wall.
    pub fn start(wall: Wall) -> Self {
        Self {
            inner: Arc::default(),
            wall,
        }
    }

    /// Runs a task in it. After its death nothing is run.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.inner.lock().dead {
            return;
        }
        let guarded = Guarded {
            process: self.clone(),
            work: Box::pin(work),
        };
        let handle = tokio::spawn(guarded).abort_handle();
        let mut inner = self.inner.lock();
        inner.tasks.retain(|task| !task.is_finished());
        inner.tasks.push(handle);
    }

    /// Stops it, or lets it go on.
    pub fn pause(&self, paused: bool) {
        let mut inner = self.inner.lock();
        inner.paused = paused;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ends it on the spot.
    pub fn kill(&self) {
        let mut inner = self.inner.lock();
        inner.dead = true;
        let tasks = std::mem::take(&mut inner.tasks);
        drop(inner);
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Whether it is stopped.
    pub fn is_paused(&self) -> bool {
        self.inner.lock().paused
    }
}

struct Guarded {
    process: Process,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.process.inner.lock();
        if inner.dead {
            return Poll::Ready(());
        }
        if inner.paused {
            inner.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        drop(inner);
        let wall = self.process.wall;
        wall.hangs_for(|| self.work.as_mut().poll(context))
    }
}
