//! The form of the inputs of fuzz targets that read messages: frames, one after another, each of
//! which is a byte that chooses what the message is for, the message's length as a varint, and the
//! message.

/// The frames in `input`, until one is not whole: what the byte chooses among `choices`, which must
/// not be empty, and the message. A message that is cut short is as long as `input` permits.
pub fn read<'a>(
    choices: &'a [&'static str],
    mut input: &'a [u8],
) -> impl Iterator<Item = (&'static str, &'a [u8])> {
    std::iter::from_fn(move || {
        let (&byte, mut rest) = input.split_first()?;
        input = &[];
        let length = prost::decode_length_delimiter(&mut rest).ok()?;
        let (message, rest) = rest.split_at(length.min(rest.len()));
        input = rest;
        Some((choices[usize::from(byte) % choices.len()], message))
    })
}

/// The frame of a `message` for `choice`.
///
/// # Panics
/// If `choice` is not among the first 256 of `choices`.
pub fn write(choices: &[&str], choice: &str, message: &[u8]) -> Vec<u8> {
    let number = choices.iter().position(|it| *it == choice).expect("it is a choice");
    let mut frame = vec![u8::try_from(number).expect("a byte chooses it")];
    prost::encode_length_delimiter(message.len(), &mut frame).expect("a vector has room");
    frame.extend(message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICES: [&str; 3] = ["list", "watch", "end"];

    #[test]
    fn frames_are_read_as_they_were_written() {
        let long = [7; 300];
        let input = [
            write(&CHOICES, "watch", b"one"),
            write(&CHOICES, "end", &[]),
            write(&CHOICES, "list", &long),
        ]
        .concat();
        let frames: Vec<_> = read(&CHOICES, &input).collect();
        assert_eq!(frames, [("watch", b"one".as_slice()), ("end", &[]), ("list", &long)]);
    }

    #[test]
    fn every_byte_chooses_and_a_cut_message_is_what_there_is() {
        for (input, expected) in [
            (b"\x05\x01a\x03\x02bc".as_slice(), vec![("end", b"a".as_slice()), ("list", b"bc")]),
            (b"\x01\x09ab", vec![("watch", b"ab")]),
            (b"\x01", vec![]),
            (b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", vec![]),
            (b"", vec![]),
        ] {
            assert_eq!(read(&CHOICES, input).collect::<Vec<_>>(), expected, "{input:?}");
        }
    }
}
