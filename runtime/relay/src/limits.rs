//! Every bound of the relay in one place, with why it is what it is.

use std::time::Duration;

/// Frames that a stream keeps since its last key frame: SRS's `gop_cache_max_frames`, 100 s of
/// 25 pictures a second. A longer GOP is not kept and late joiners wait for the next key frame.
pub const GOP_FRAMES_MAX: usize = 2_500;

/// Bytes that a stream keeps since its last key frame: 10 s at 25 Mbit/s.
pub const GOP_BYTES_MAX: usize = 32 << 20;

/// Frames sent whose fingerprints a pulled stream keeps, to recognise them when another upstream goes on:
/// 28 s of 25 pictures and 47 sounds a second, 48 kB.
pub const SPLICE_PRINTS_MAX: usize = 2_048;

/// GOPs of which fingerprints are kept: an upstream's GOP cache begins in the newest or, if it is behind,
/// in the one before; one more for sources that are far behind.
pub const SPLICE_GOPS: usize = 3;

/// How long an edge may have had nothing of a stream and still get all that it missed: an origin that
/// hangs is left after a second, the next is found within another. Streams that no node reads, or has read
/// within this time, keep their last GOP alone.
pub const REJOIN_MAX: Duration = Duration::from_secs(4);

/// How much earlier than its last frame a node that comes back begins: what it had had lay so far behind.
pub const REJOIN_MARGIN: Duration = Duration::from_millis(500);

/// Headers that a stream keeps: more tracks than any encoder sends.
pub const HEADERS_MAX: usize = 64;

/// Bytes of one header that is kept: metadata has hundreds, a sequence header with all its parameter
/// sets a few thousand.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// How much sound an audio-only stream keeps for late joiners: what players buffer before they start.
pub const AUDIO_BACKLOG: Duration = Duration::from_secs(1);

/// Pieces that wait on their way from a publisher's shard to a shard that reads: a key frame burst of
/// a pull, or a second in which the shard was busy. A shard that falls further behind starts again at
/// the newest key frame, which is counted.
pub const INBOX_PIECES_MAX: usize = 1_024;

/// Pieces that a shard's index keeps for its slowest player, whatever `queue_length` asks: one minute
/// of 25 pictures and 47 sounds a second.
pub const INDEX_PIECES_MAX: usize = 4_500;

/// Bytes that a shard's index keeps: a GOP of the largest size, and as much before it.
pub const INDEX_BYTES_MAX: usize = 2 * GOP_BYTES_MAX;

/// Pieces that one vectored write gathers: Linux takes 1,024 (`UIO_MAXIOV`); 64 are past the point
/// where more help.
pub const WRITE_PIECES_MAX: usize = 64;

/// Bytes that one `send` gathers for players that have kept up: past them a longer one costs no less a byte.
pub const RUN_BYTES_MAX: usize = 64 << 10;

/// Players of a stream on one shard from which on it pays to copy pieces together once for all of them.
pub const RUN_SINKS_MIN: usize = 3;

/// Bytes that a player is sent before it is another's turn: late joiners take a whole GOP, and whoever
/// watches already must not wait for a thousand of them.
pub const TURN_BYTES_MAX: u64 = 128 << 10;

/// Bytes that wait in the kernel for a player who takes none: past them the player waits on its tape,
/// which costs nothing. What is on its way to it is not counted, so a long fast line stays full.
pub const UNSENT_BYTES_MAX: u32 = 256 << 10;

/// Bytes of one publisher that wait in the kernel, while its shard gathers, until they are read at once:
/// half of what the kernel takes from anybody (`tcp_rmem`), so that no publisher is ever held up.
pub const GULP_BYTES: i32 = 64 << 10;

/// Publishers that a shard serves between two looks at its other work, if so many have sent something.
pub const INTAKE_EVENTS: usize = 64;

/// Publishers from which on a busy shard looks for their frames every [`INTAKE_REST`]: a look finds four then, at
/// 30 frames a second each.
pub const INTAKE_RESTS_FROM: usize = 64;

/// From one such look to the next, at least: a tenth of the time from one frame to the next.
pub const INTAKE_REST: Duration = Duration::from_millis(2);

/// Players that a shard serves between two looks at its other work.
pub const SINKS_PER_TURN: usize = 64;

/// Tasks that wait to be started on a shard.
pub const SHARD_TASKS_MAX: usize = 1_024;

/// What a shard reads from a socket at a time; one buffer a shard, none a connection.
pub const READ_BYTES: usize = 64 << 10;

/// How long a peer may take from its connection to its first publish, play or GET.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the last words to a peer may take: it may have stopped reading.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// An HTTP request's head: longer than any player's, cookies and all.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 << 10;

/// Bytes that wait for a peer that reads no replies before we hang up: replies to commands are small,
/// so only a peer that floods us with commands gets here.
pub const REPLY_BYTES_MAX: usize = 256 << 10;

/// Replies that wait for a player, each with its own small cost: it has that many only if it asks again
/// and again and reads nothing.
pub const REPLIES_MAX: usize = 256;

/// Pieces are cut from blocks of this size, so a kept piece pins at most this much.
pub const TAPE_BLOCK_BYTES: usize = 32 << 10;

/// GOPs that are longer get blocks of their own: a block is kept for as long as any piece of it, and common
/// GOPs of 1 to 4 s may share.
pub const SHARED_BLOCKS_MAX: Duration = Duration::from_secs(5);

/// Bytes that a forward takes ahead of its connection: past them its place in the tape stays where it
/// is, and a target that is too slow skips to a key frame, as a slow player does.
pub const FORWARD_BYTES_MAX: usize = 1 << 20;

/// How long a forward's target may take nothing while a full [`FORWARD_BYTES_MAX`] waits for it; then it
/// is dialled again.
pub const FORWARD_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a pushed stream that are kept until its origin has acknowledged them: two GOPs of a common
/// stream, one of the largest. Past them only the newest GOP is kept, which is counted.
pub const PUSH_BYTES_MAX: usize = GOP_BYTES_MAX;

/// Frames that are kept so: as many as a GOP has at most.
pub const PUSH_FRAMES_MAX: usize = 2 * GOP_FRAMES_MAX;

/// How much acknowledged media a push still keeps: an origin that has taken a frame in has not passed it
/// on yet, least of all one that is about to die.
pub const PUSH_MARGIN: Duration = Duration::from_secs(1);

/// How often a push asks for an acknowledgement: an origin's silence is seen within one more of it.
pub const PUSH_PING_INTERVAL: Duration = Duration::from_millis(250);

/// How long an origin may take from the connection to its yes: six round trips around the world.
pub const PUSH_OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that wait for a server which we dialled: a forward's share and its largest frame fit in. Past
/// them we hang up: it asks us things and reads no answers.
pub const CLIENT_BYTES_MAX: usize = FORWARD_BYTES_MAX + (16 << 20);
