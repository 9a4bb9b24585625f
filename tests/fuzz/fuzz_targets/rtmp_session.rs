//! Any bytes behind a handshake, to a server that decides as the input says and to a client of
//! either purpose: no panic, and the same events under any split.
#![no_main]

use rtmp::{
    Error, Status, Url,
    client::{self, Purpose},
    handshake::{self, PACKET_BYTES},
    server,
    status::code,
};

/// What a dialogue came to.
type Outcome<Event> = (Vec<Event>, Result<(), Error>);

/// The server's half: `decisions` holds a bit for each question, in turn.
fn serve(bytes: &[u8], piece: usize, decisions: u8) -> Outcome<server::Event> {
    let mut session = server::Session::new(server::Config::default(), [1; 32]);
    let mut questions = 0;
    let mut events = Vec::new();
    let hello = [&[3], &[0; 2 * PACKET_BYTES][..]].concat();
    for piece in [&hello[..]].into_iter().chain(bytes.chunks(piece)) {
        let mut ended = session.input(piece);
        while ended.is_ok()
            && let Some(event) = session.poll()
        {
            let yes = decisions.rotate_right(questions) & 1 == 0;
            let question = matches!(
                event,
                server::Event::Connect(_) | server::Event::Publish(_) | server::Event::Play(_)
            );
            assert_eq!(question, question && session.is_deciding());
            ended = match &event {
                _ if question && !yes => session.reject(Status::error(code::FAILED, "no")),
                server::Event::Connect(_) => session.accept_connect(),
                server::Event::Publish(_) => session.accept_publish(),
                server::Event::Play(_) => session.accept_play(),
                _ => Ok(()),
            };
            questions += u32::from(question);
            events.push(event);
        }
        if let Err(error) = ended {
            assert_eq!(session.phase(), server::Phase::Closed);
            events.extend(std::iter::from_fn(|| session.poll()));
            return (events, Err(error));
        }
    }
    (events, Ok(()))
}

fn dial(bytes: &[u8], piece: usize, purpose: Purpose) -> Outcome<client::Event> {
    let url: Url = "rtmp://tv.example/live/cam?token=x"
        .parse()
        .expect("a good URL");
    let config = client::Config {
        handshake: handshake::Kind::Simple,
        ..Default::default()
    };
    let mut session = client::Session::new(&url, purpose, config, [1; 32]);
    let mut events = Vec::new();
    let hello = [&[3], &[0; 2 * PACKET_BYTES][..]].concat();
    for piece in [&hello[..]].into_iter().chain(bytes.chunks(piece)) {
        let ended = session.input(piece);
        events.extend(std::iter::from_fn(|| session.poll()));
        if let Err(error) = ended {
            assert!(session.is_ended());
            return (events, Err(error));
        }
    }
    session.close();
    (events, Ok(()))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [decisions, piece, bytes @ ..] = input else {
        return;
    };
    let piece = usize::from(*piece) + 1;
    // compared as text: a NaN in `play` is not equal to itself
    let text = |outcome: &dyn std::fmt::Debug| format!("{outcome:?}");
    let whole = text(&serve(bytes, usize::MAX, *decisions));
    assert_eq!(whole, text(&serve(bytes, piece, *decisions)));
    for purpose in [Purpose::Publish, Purpose::Play] {
        let whole = text(&dial(bytes, usize::MAX, purpose));
        assert_eq!(whole, text(&dial(bytes, piece, purpose)));
    }
});
