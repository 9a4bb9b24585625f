//! Any bytes as a handshake, at either end: no panic, no split that matters, no endless answer.
#![no_main]

use bytes::BytesMut;
use rtmp::{
    Error,
    handshake::{Client, Kind, PACKET_BYTES, Server},
};

/// What a handshake came to: how it ended, how many bytes it left, what it answered.
type Outcome = (Result<bool, Error>, usize, BytesMut);

fn feed(
    bytes: &[u8],
    piece: usize,
    mut input: impl FnMut(&mut &[u8], &mut BytesMut) -> Result<bool, Error>,
) -> Outcome {
    let mut answer = BytesMut::new();
    let mut rest = bytes;
    loop {
        let (mut now, later) = rest.split_at(piece.min(rest.len()));
        match input(&mut now, &mut answer) {
            Ok(false) if !later.is_empty() => {
                assert!(now.is_empty(), "all is taken until it is over");
                rest = later;
            }
            ended => return (ended, now.len() + later.len(), answer),
        }
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else {
        return;
    };
    let piece = usize::from(first) + 1;
    let server = |piece| {
        let mut server = Server::new([7; 32]);
        feed(bytes, piece, |input, output| server.input(input, output))
    };
    let (ended, left, answer) = server(usize::MAX);
    assert!(answer.is_empty() || answer.len() == 1 + 2 * PACKET_BYTES);
    let (ended_in_pieces, left_in_pieces, answer_in_pieces) = server(piece);
    assert_eq!((&ended, &answer), (&ended_in_pieces, &answer_in_pieces));
    assert!(ended.is_err() || left == left_in_pieces);

    for kind in [Kind::Simple, Kind::Digest] {
        let client = |piece| {
            let mut client = Client::new(kind, [7; 32]);
            feed(bytes, piece, |input, output| client.input(input, output))
        };
        let (ended, _, answer) = client(usize::MAX);
        assert!(answer.len() == 1 + PACKET_BYTES || answer.len() == 1 + 2 * PACKET_BYTES);
        let (ended_in_pieces, _, answer_in_pieces) = client(piece);
        assert_eq!((ended, answer), (ended_in_pieces, answer_in_pieces));
    }
});
