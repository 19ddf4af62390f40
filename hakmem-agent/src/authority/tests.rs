use super::*;

/// Code and length of some characters (RFC 7541, appendix B).
const CODES: [(char, u32, u32); 20] = [
    ('2', 0x2, 5),
    ('a', 0x3, 5),
    ('c', 0x4, 5),
    ('e', 0x5, 5),
    ('i', 0x6, 5),
    ('o', 0x7, 5),
    ('s', 0x8, 5),
    ('t', 0x9, 5),
    ('%', 0x15, 6),
    ('-', 0x16, 6),
    ('.', 0x17, 6),
    ('/', 0x18, 6),
    ('g', 0x26, 6),
    ('m', 0x29, 6),
    ('n', 0x2a, 6),
    ('p', 0x2b, 6),
    ('F', 0x61, 7),
    ('k', 0x75, 7),
    ('X', 0xfc, 8),
    ('~', 0x1ffd, 13),
];

fn huffman(text: &str) -> Vec<u8> {
    let mut bits = String::new();
    for character in text.chars() {
        let (_, code, length) = CODES.into_iter().find(|code| code.0 == character).unwrap();
        bits.push_str(&format!("{code:0length$b}", length = length as usize));
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    let bytes = bits.as_bytes().chunks(8);
    bytes.map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap()).collect()
}

fn string(bytes: &[u8], is_huffman: bool) -> Vec<u8> {
    let flag = if is_huffman { 0x80 } else { 0 };
    let mut out = if bytes.len() < 0x7f {
        vec![flag | bytes.len() as u8]
    } else {
        let beyond = bytes.len() - 0x7f;
        vec![flag | 0x7f, 0x80 | (beyond & 0x7f) as u8, (beyond >> 7) as u8]
    };
    out.extend(bytes);
    out
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    out.extend(payload);
    out
}

/// A client's request: other fields before the authority, in each encoding, and a path after it
/// that must stay unchanged.
fn request(authority: &[u8]) -> Vec<u8> {
    let mut block = vec![0x82, 0x3f, 0xe1, 0x1f, 0x7f, 0x80, 0x01];
    block.extend(string(b"a/b%c", false));
    block.push(0x00);
    block.extend(string(b"x-name/%", false));
    block.extend(string(&[b'%'; 200], false));
    block.push(0x41);
    block.extend(authority);
    block.push(0x04);
    block.extend(string(b"/hakmem.v1.Telemetry/ListProcesses", false));
    block
}

fn through(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut frames = Frames::default();
    let mut out = Vec::new();
    bytes.chunks(piece).for_each(|bytes| frames.take(bytes, &mut out));
    out
}

fn stream(headers: Vec<u8>) -> Vec<u8> {
    let mut stream = vec![b'P'; PREFACE_BYTES];
    stream.extend(frame(4, 0, &[]));
    stream.extend(headers);
    stream.extend(frame(0, 1, b"a message with % and / in it"));
    stream
}

#[test]
fn the_path_of_a_socket_becomes_a_plain_authority_of_the_same_length() {
    let plain = |authority: &str| authority.replace(['%', '/'], "-");
    let paths = ["tmp%2Fagent.sock", "/tmp/agent.sock", "~X%2F%%", &"tmp%2F".repeat(40), "agent"];
    for path in paths {
        for is_huffman in [false, true] {
            let coded = |text: &str| {
                let bytes = if is_huffman { huffman(text) } else { text.as_bytes().to_vec() };
                string(&bytes, is_huffman)
            };
            let check = |headers: &dyn Fn(&[u8]) -> Vec<u8>| {
                let sent = stream(headers(&coded(path)));
                let expected = stream(headers(&coded(&plain(path))));
                for piece in [1, 7, sent.len()] {
                    assert_eq!(through(&sent, piece), expected, "{path}, {piece}");
                }
            };
            check(&|authority| frame(HEADERS, END_HEADERS, &request(authority)));
            check(&|authority| {
                let mut payload = vec![3, 0, 0, 0, 0, 16];
                payload.extend(request(authority));
                payload.extend([b'%'; 3]);
                frame(HEADERS, END_HEADERS | PADDED | PRIORITY, &payload)
            });
            // The name in one frame and the value in the next, and another request after them.
            check(&|authority| {
                let block = request(authority);
                let (first, second) = block.split_at(3);
                let mut frames = frame(HEADERS, 0, first);
                frames.extend(frame(CONTINUATION, END_HEADERS, second));
                frames.extend(frame(HEADERS, END_HEADERS, &request(authority)));
                frames
            });
        }
    }
}

#[test]
fn what_is_no_http_2_does_no_harm() {
    let mut random: u64 = 1;
    for length in [0, 1, 30, 500, 20_000, 200_000] {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Small numbers serve as lengths and kinds of frames.
            (random >> 33) as u8 >> (random >> 60 & 7)
        })
        .take(length)
        .collect();
        assert!(through(&bytes, 11).len() <= bytes.len());
        assert!(through(&stream(bytes), 4096).starts_with(&[b'P'; PREFACE_BYTES]));
    }
}
