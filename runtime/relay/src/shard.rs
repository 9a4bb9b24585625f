//! Shards: one thread a core, each with its own runtime, listeners, connections and indexes of tapes.
//!
//! A connection lives and dies on the shard whose listener the kernel gave it to, so nothing that it
//! touches on the way out is locked. Shards talk only by a stream's inboxes, and by [`Shards::run`],
//! which starts a task on a shard from anywhere.
//!
//! Invariant: a shard's thread never blocks, and ends only after every task on it has.

use crate::{
    hub::{Hub, Reader, Reading, Stream},
    intake::{self, Intake},
    limits,
    pace::{MergeWrite, NoDelay, Pace},
    tape::{
        FRAMES, Format,
        cursor::Subscriber,
        index::{Index, Retention},
    },
};
use bytes::{Bytes, BytesMut};
use media::StreamPath;
use std::{
    cell::RefCell,
    collections::HashMap,
    io, mem,
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use tokio::{
    sync::mpsc,
    task::{self, LocalSet},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What [`Shards::run`] starts: builds the task on its shard, where it need not be `Send`.
type Job = Box<dyn FnOnce(Rc<Shard>) + Send>;

/// One worker thread with its own listeners, streams' indexes and connections.
pub struct Shard {
    number: usize,
    hub: Arc<Hub>,
    retention: Retention,
    pace: Rc<Pace>,
    intake: Intake,
    gop_cache: bool,
    indexes: RefCell<HashMap<(StreamPath, &'static str), Weak<Index>>>,
    scratch: RefCell<Box<[u8]>>,
    /// As long; nobody shares it any more, or it is replaced.
    shareable: RefCell<Bytes>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Shard {
    /// Its number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The node's hub.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether late joiners start at the last key frame rather than at the next one.
    pub(crate) fn gop_cache(&self) -> bool {
        self.gop_cache
    }

    /// How long a stream is held for its publisher to come back.
    pub(crate) fn linger(&self) -> std::time::Duration {
        self.retention.linger
    }

    /// Is cancelled when every connection has to end.
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Starts a task here; the shard waits for it before it ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.spawn_local(task);
    }

    /// Reads `path` piece by piece in `format`, once somebody publishes it.
    pub fn subscribe(
        &self,
        path: &StreamPath,
        format: &'static Format,
        reader: Reader,
    ) -> Subscriber {
        let reading = self.hub.read(path, reader);
        let index = self.index(reading.stream(), format);
        Subscriber::new(reading, index, self.gop_cache)
    }

    /// The same, for who has announced himself already.
    pub(crate) fn subscribe_as(&self, reading: Reading, format: &'static Format) -> Subscriber {
        let index = self.index(reading.stream(), format);
        Subscriber::new(reading, index, self.gop_cache)
    }

    /// Reads `path` frame by frame from its last key frame on, whatever `gop_cache` says to players.
    pub(crate) fn follow(&self, path: &StreamPath) -> Subscriber {
        let reading = self.hub.read(path, Reader::Internal);
        let index = self.index(reading.stream(), &FRAMES);
        Subscriber::new(reading, index, true)
    }

    /// This shard's index of `stream` in `format`, if somebody reads it here.
    pub(crate) fn find_index(
        &self,
        stream: &Arc<Stream>,
        format: &'static Format,
    ) -> Option<Rc<Index>> {
        let key = (stream.path().clone(), format.name);
        let index = self.indexes.borrow().get(&key).and_then(Weak::upgrade)?;
        (!index.has_ended() && Arc::ptr_eq(index.stream(), stream)).then_some(index)
    }

    /// This shard's index of `stream` in `format`.
    pub(crate) fn index(&self, stream: &Arc<Stream>, format: &'static Format) -> Rc<Index> {
        if let Some(index) = self.find_index(stream, format) {
            return index;
        }
        let key = (stream.path().clone(), format.name);
        let mut indexes = self.indexes.borrow_mut();
        if indexes.len() == indexes.capacity() {
            // About to grow: forget those that nobody reads first.
            indexes.retain(|_, index| index.strong_count() > 0);
        }
        let index = Index::begin(
            stream,
            format,
            self.retention,
            self.number,
            &self.pace,
            &self.tasks,
        );
        indexes.insert(key, Rc::downgrade(&index));
        index
    }

    /// How what is sent here is sent.
    pub(crate) fn pace(&self) -> &Rc<Pace> {
        &self.pace
    }

    /// Where its publishers are read.
    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Lends the shard's one read buffer, of [`limits::READ_BYTES`]. Not to be called within `read`.
    pub(crate) fn with_scratch<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> T {
        read(&mut self.scratch.borrow_mut())
    }

    /// Has `read` read into a buffer of [`limits::READ_BYTES`], and answers with what it has read. Whoever
    /// keeps any of that keeps all of the buffer, and the shard needs another.
    pub(crate) fn read_to_share(
        &self,
        read: impl FnOnce(&mut [u8]) -> io::Result<Option<&[u8]>>,
    ) -> io::Result<Option<Bytes>> {
        let mut shareable = self.shareable.borrow_mut();
        let last = mem::take(&mut *shareable).try_into_mut();
        let mut buffer = last.unwrap_or_else(|_kept| {
            // Cut from a longer one: so it knows by how many it is shared, and need not learn it each time.
            BytesMut::zeroed(limits::READ_BYTES + 1).split_to(limits::READ_BYTES)
        });
        let bytes = read(&mut buffer).map(|bytes| bytes.map(<[u8]>::len));
        *shareable = buffer.freeze();
        bytes.map(|bytes| bytes.map(|bytes| shareable.slice(..bytes)))
    }
}

/// How shards are set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// How many; 0 for one a core.
    pub count: usize,
    /// How much media before the newest key frame a stream keeps for slow players.
    pub queue_length: std::time::Duration,
    /// How long players stay when a publisher has gone.
    pub linger: std::time::Duration,
    /// Late joiners start at the last key frame rather than at the next one.
    pub gop_cache: bool,
    /// Between which times a shard gathers what it sends.
    pub merge_write: MergeWrite,
    /// Whether the kernel may hold short frames back.
    pub tcp_nodelay: NoDelay,
}

/// All shards of the node. Cheap to clone.
#[derive(Clone)]
pub struct Shards {
    jobs: Arc<[mpsc::Sender<Job>]>,
    next: Arc<AtomicUsize>,
    closing: CancellationToken,
    threads: Arc<parking_lot::Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl Shards {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the operating system gives no thread or no event queue.
    pub fn start(hub: &Arc<Hub>, setup: Setup) -> io::Result<Self> {
        let count = match setup.count {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let closing = CancellationToken::new();
        let mut jobs = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let (sender, receiver) = mpsc::channel(limits::SHARD_TASKS_MAX);
            let (hub, closing) = (hub.clone(), closing.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let queue = intake::queue()?;
            let thread = thread::Builder::new()
                .name(format!("shard-{number}"))
                .spawn(move || {
                    let pace = Rc::new(Pace::new(setup.merge_write, setup.tcp_nodelay));
                    let shard = Rc::new(Shard {
                        number,
                        hub,
                        retention: Retention {
                            queue_length: setup.queue_length,
                            linger: setup.linger,
                        },
                        intake: Intake::new(queue, &pace),
                        pace,
                        gop_cache: setup.gop_cache,
                        indexes: RefCell::default(),
                        scratch: RefCell::new(vec![0; limits::READ_BYTES].into_boxed_slice()),
                        shareable: RefCell::default(),
                        tasks: TaskTracker::new(),
                        closing,
                    });
                    // Nothing but the tasks themselves: a future beside them is polled each time that any
                    // of them is woken.
                    let tasks = LocalSet::new();
                    tasks.spawn_local(work(shard, receiver));
                    runtime.block_on(tasks);
                })?;
            jobs.push(sender);
            threads.push(thread);
        }
        Ok(Self {
            jobs: jobs.into(),
            next: Arc::default(),
            closing,
            threads: Arc::new(parking_lot::Mutex::new(threads)),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.jobs.len()
    }

    /// Runs `job` on shard `number` (modulo their count). Says so if the shard is too busy to take it.
    pub fn run_on(
        &self,
        number: usize,
        job: impl FnOnce(Rc<Shard>) + Send + 'static,
    ) -> Result<(), ShardBusy> {
        let number = number % self.jobs.len();
        self.jobs[number]
            .try_send(Box::new(job))
            .map_err(|_| ShardBusy { number })
    }

    /// Runs `job` on one shard after another.
    pub fn run(&self, job: impl FnOnce(Rc<Shard>) + Send + 'static) -> Result<(), ShardBusy> {
        self.run_on(self.next.fetch_add(1, Relaxed), job)
    }

    /// Ends every connection and waits until all threads have ended.
    pub async fn close(&self) {
        self.closing.cancel();
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || {
            threads
                .into_iter()
                .map(thread::JoinHandle::join)
                .filter(Result::is_err)
                .count()
        });
        if joined.await.map_or(true, |panicked| panicked > 0) {
            tracing::error!("a shard's thread panicked");
        }
    }
}

/// A shard has [`limits::SHARD_TASKS_MAX`] jobs waiting already, or has ended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("shard {number} takes no more work")]
pub struct ShardBusy {
    /// Which.
    pub number: usize,
}

async fn work(shard: Rc<Shard>, mut jobs: mpsc::Receiver<Job>) {
    // Outside the tracker: nobody waits for what has no end.
    let intake = task::spawn_local({
        let shard = shard.clone();
        async move { shard.intake.run().await }
    });
    let pace = shard.pace.keep(shard.number);
    tokio::pin!(pace);
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => job(shard.clone()),
                None => break,
            },
            never = &mut pace => match never {},
            () = shard.closing.cancelled() => break,
        }
    }
    shard.closing.cancel();
    shard.tasks.close();
    shard.tasks.wait().await;
    intake.abort();
}
