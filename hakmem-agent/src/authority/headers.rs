//! Finds the value of `:authority` in a block of headers (RFC 7541, sections 5 and 6).

/// Index of `:authority` in HPACK's static table.
const AUTHORITY: usize = 1;

/// The position in a block at the end of the last frame. A block may continue in the next frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HeaderBlock {
    /// Before a field.
    #[default]
    Field,
    /// In the rest of a number that is not needed.
    Number,
    /// In the rest of the index of a name.
    NameIndex { so_far: usize, shift: u32 },
    /// Before a string.
    String(Part),
    /// In the rest of a string's length.
    Length { part: Part, is_huffman: bool, so_far: usize, shift: u32 },
    /// In a string that stays unchanged.
    Skipped { part: Part, left: usize },
    /// The rest of this block cannot be parsed.
    Lost,
}

/// The role of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The name of a field; its value follows.
    Name,
    /// A value, of `:authority` or of another field.
    Value { is_authority: bool },
}

impl HeaderBlock {
    /// Replaces `%` and `/` in the values of `:authority` that lie in `block`, a part of a block.
    pub(super) fn make_authority_plain(&mut self, block: &mut [u8]) {
        let mut at = 0;
        while at < block.len() {
            let byte = block[at];
            match *self {
                Self::Skipped { part, left } => {
                    let skipped = left.min(block.len() - at);
                    at += skipped;
                    *self = after(part, left - skipped);
                    continue;
                }
                Self::Field => *self = begin_field(byte),
                Self::Number if byte & 0x80 == 0 => *self = Self::Field,
                Self::Number => {}
                Self::NameIndex { so_far, shift } => {
                    *self = match more(byte, so_far, shift) {
                        Number::More(so_far, shift) => Self::NameIndex { so_far, shift },
                        Number::Whole(index) => named(index),
                        Number::TooLong => Self::Lost,
                    }
                }
                Self::String(part) => {
                    let is_huffman = byte & 0x80 != 0;
                    let length = usize::from(byte & 0x7f);
                    if length == 0x7f {
                        *self = Self::Length { part, is_huffman, so_far: length, shift: 0 };
                    } else {
                        *self = begin_string(part, is_huffman, length, &mut block[at + 1..]);
                    }
                }
                Self::Length { part, is_huffman, so_far, shift } => {
                    *self = match more(byte, so_far, shift) {
                        Number::More(so_far, shift) => {
                            Self::Length { part, is_huffman, so_far, shift }
                        }
                        Number::Whole(length) => {
                            begin_string(part, is_huffman, length, &mut block[at + 1..])
                        }
                        Number::TooLong => Self::Lost,
                    }
                }
                Self::Lost => return,
            }
            at += 1;
        }
    }
}

fn begin_field(byte: u8) -> HeaderBlock {
    // The kinds of fields, by the bits before the index of their names.
    let (index_mask, has_value) = match byte {
        0x80.. => (0x7f, false),
        0x40..0x80 => (0x3f, true),
        0x20..0x40 => (0x1f, false),
        0x00..0x20 => (0x0f, true),
    };
    let index = byte & index_mask;
    match (has_value, index == index_mask) {
        (false, false) => HeaderBlock::Field,
        (false, true) => HeaderBlock::Number,
        (true, false) => named(index.into()),
        (true, true) => HeaderBlock::NameIndex { so_far: index.into(), shift: 0 },
    }
}

fn named(index: usize) -> HeaderBlock {
    HeaderBlock::String(match index {
        0 => Part::Name,
        index => Part::Value { is_authority: index == AUTHORITY },
    })
}

/// Begins a string after its length was read.
fn begin_string(part: Part, is_huffman: bool, length: usize, rest: &mut [u8]) -> HeaderBlock {
    if part == (Part::Value { is_authority: true })
        && let Some(value) = rest.get_mut(..length)
    {
        if is_huffman {
            replace_in_code(value);
        } else {
            value.iter_mut().filter(|byte| matches!(byte, b'%' | b'/')).for_each(|b| *b = b'-');
        }
    }
    after(part, length)
}

fn after(part: Part, left: usize) -> HeaderBlock {
    match (left, part) {
        (0, Part::Name) => HeaderBlock::String(Part::Value { is_authority: false }),
        (0, Part::Value { .. }) => HeaderBlock::Field,
        (left, part) => HeaderBlock::Skipped { part, left },
    }
}

/// A number that extends beyond its prefix.
enum Number {
    More(usize, u32),
    Whole(usize),
    TooLong,
}

fn more(byte: u8, so_far: usize, shift: u32) -> Number {
    if shift > 21 {
        return Number::TooLong;
    }
    let number = so_far + (usize::from(byte & 0x7f) << shift);
    if byte & 0x80 == 0 { Number::Whole(number) } else { Number::More(number, shift + 7) }
}

/// HPACK's Huffman code up to 15 bits, which has all characters of an encoded path: the number of
/// bits of a code, the first code, and the number of codes. Longer codes begin with more ones than
/// all these.
const CODES: [(u32, u16, u16); 10] = [
    (5, 0x0, 10),
    (6, 0x14, 26),
    (7, 0x5c, 32),
    (8, 0xf8, 6),
    (10, 0x3f8, 5),
    (11, 0x7fa, 3),
    (12, 0xffa, 2),
    (13, 0x1ff8, 6),
    (14, 0x3ffc, 2),
    (15, 0x7ffc, 3),
];
/// Codes of six bits.
const PERCENT: u16 = 0x15;
const HYPHEN: u16 = 0x16;
const SLASH: u16 = 0x18;

/// Replaces `%` and `/` by `-` in a Huffman-coded string.
fn replace_in_code(code: &mut [u8]) {
    let bits = code.len() * 8;
    let mut at = 0;
    while let Some((length, symbol)) = symbol_at(code, at, bits) {
        if length == 6 && matches!(symbol, PERCENT | SLASH) {
            for bit in 0..6 {
                let (byte, mask) = ((at + bit) / 8, 0x80 >> ((at + bit) % 8));
                let is_set = HYPHEN >> (5 - bit) & 1 == 1;
                code[byte] = if is_set { code[byte] | mask } else { code[byte] & !mask };
            }
        }
        at += length;
    }
}

/// Length and code of the symbol that begins at bit `at`; `None` at the end, or if the code is
/// longer.
fn symbol_at(code: &[u8], at: usize, bits: usize) -> Option<(usize, u16)> {
    let bit = |at: usize| u16::from(code[at / 8] >> (7 - at % 8) & 1);
    let mut symbol = 0;
    let mut length = 0;
    for (wanted, first, count) in CODES {
        while length < wanted as usize {
            if at + length >= bits {
                return None;
            }
            symbol = symbol << 1 | bit(at + length);
            length += 1;
        }
        if (first..first + count).contains(&symbol) {
            return Some((length, symbol));
        }
    }
    None
}
