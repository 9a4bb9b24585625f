//! Our own publisher over RTMP: frame by frame by hand, or a clip in real time without end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use media::Kind;
use rtmp::client::{Event, Purpose};
use tokio::{sync::oneshot, task::JoinHandle, time};

use crate::{clip::Clip, connection::Connection, player::Heard};

/// A server that says nothing for so long will not let us publish.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that may publish. Dropping it closes the socket without a word, as a crash does.
pub struct Publisher {
    connection: Connection,
}

impl Publisher {
    /// Connects to an RTMP URL and waits until the server lets it publish.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses; the error holds the status's code.
    pub async fn connect(url: &str) -> Result<Self> {
        let connecting = async {
            let mut connection = Connection::dial(url, Purpose::Publish).await?;
            loop {
                match connection.next().await? {
                    Some(Event::Publishing) => return Ok(Self { connection }),
                    Some(Event::Ended(status)) => bail!("refused: {}", status.code),
                    Some(Event::Redirect(url)) => bail!("redirected to {url}"),
                    Some(_) => {}
                    None => bail!("the server closed the connection"),
                }
            }
        };
        let connected = time::timeout(PATIENCE, connecting)
            .await
            .context("no answer")?;
        connected.with_context(|| format!("publishing to {url}"))
    }

    /// Sends one FLV tag body.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn send(&mut self, kind: Kind, timestamp: u32, body: &Bytes) -> Result<()> {
        self.connection.session.send(kind, timestamp, body);
        self.connection.flush().await
    }

    /// Sends a clip's headers.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn send_headers(&mut self, clip: &Clip, timestamp: u32) -> Result<()> {
        for tag in clip.headers() {
            self.send(tag.kind, timestamp, &tag.body).await?;
        }
        Ok(())
    }

    /// Says goodbye, as a good encoder does.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn close(mut self) -> Result<()> {
        self.connection.session.close();
        self.connection.flush().await
    }
}

/// A clip that is published in real time in a task of its own; dropping it is a crash.
#[derive(Debug)]
pub struct Streaming {
    sent: Arc<Mutex<Vec<Heard>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
}

impl Streaming {
    /// Waits until the server lets it publish, and begins at the timestamp `start`.
    ///
    /// # Errors
    /// As for [`Publisher::connect`].
    pub async fn start(url: &str, clip: Clip, start: u32) -> Result<Self> {
        let publisher = Publisher::connect(url).await?;
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(publisher, clip, start, Arc::clone(&sent), stopped));
        Ok(Self {
            sent,
            stop: Some(stop),
            task,
        })
    }

    /// All media sent so far, without headers, as players should hear them.
    pub fn sent(&self) -> Vec<Heard> {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether it still publishes: the server has not closed the connection.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Stops in order and says goodbye.
    ///
    /// # Errors
    /// If the connection broke before.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            // If nobody listens, the task has ended and says why below.
            let _ = stop.send(());
        }
        (&mut self.task).await?
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    mut publisher: Publisher,
    clip: Clip,
    start: u32,
    sent: Arc<Mutex<Vec<Heard>>>,
    mut stopped: oneshot::Receiver<()>,
) -> Result<()> {
    publisher.send_headers(&clip, start).await?;
    let begun = time::Instant::now();
    for (timestamp, kind, body) in clip.rounds(start) {
        let due = begun + Duration::from_millis(u64::from(timestamp.wrapping_sub(start)));
        loop {
            tokio::select! {
                biased;
                // Dropped without a word is a crash: that is the task's abort, not this.
                Ok(()) = &mut stopped => return publisher.close().await,
                () = time::sleep_until(due) => break,
                event = publisher.connection.next() => match event? {
                    Some(Event::Ended(status)) => bail!("ended: {}", status.code),
                    Some(_) => {}
                    None => bail!("the server closed the connection"),
                },
            }
        }
        publisher.send(kind, timestamp, body).await?;
        let frame = Heard::new(kind, timestamp, body, Instant::now());
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(frame);
    }
    Ok(())
}
