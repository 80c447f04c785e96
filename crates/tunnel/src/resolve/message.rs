//! As much of a DNS message as has to be understood to pass it on.

/// Bytes of a header.
const HEADER: usize = 12;
/// What UDP carries where the asker doesn't say (RFC 1035, 4.2.1).
const UDP: usize = 512;
/// The type of the record by which an asker says more (RFC 6891, 6.1.1).
const OPT: u16 = 41;

/// Whether this is one ordinary question.
pub(super) fn is_question(message: &[u8]) -> bool {
    let is_query = message.len() >= HEADER && message[2] & 0xf8 == 0;
    is_query && count(message, 4) == 1 && question_end(message).is_some()
}

/// Whether `answer` is one to `question`: the id and the question itself come back.
pub(super) fn is_answer(answer: &[u8], question: &[u8]) -> bool {
    if answer.len() < HEADER || answer[2] & 0x80 == 0 || answer[..2] != question[..2] {
        return false;
    }
    match (count(answer, 4), question_end(question)) {
        // Servers that fail may leave it out.
        (0, _) => rcode(answer) != 0,
        (_, Some(end)) => answer
            .get(HEADER..end)
            .is_some_and(|asked| asked.eq_ignore_ascii_case(&question[HEADER..end])),
        (_, None) => false,
    }
}

/// Whether more would have been said than UDP carries.
pub(super) fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// How it went: 0 is well, 3 is that there is no such name.
pub(super) fn rcode(message: &[u8]) -> u8 {
    message.get(3).map_or(0, |flags| flags & 0x0f)
}

/// The answer that it did not work (SERVFAIL); `None` where `question` isn't one.
pub fn failure(question: &[u8]) -> Option<Vec<u8>> {
    bare(question).map(|mut message| {
        message[2] = 0x80 | (question[2] & 0x01);
        message[3] = 0x80 | 2;
        message
    })
}

/// `answer` without its records, saying that it has more (TC): the asker comes again over TCP.
pub fn truncated(answer: &[u8]) -> Option<Vec<u8>> {
    bare(answer).map(|mut message| {
        message[2] |= 0x02;
        message
    })
}

/// How long an answer over UDP the asker takes.
pub fn udp_limit(question: &[u8]) -> usize {
    announced(question).unwrap_or(UDP).max(UDP)
}

/// Header and question.
fn bare(message: &[u8]) -> Option<Vec<u8>> {
    let end = question_end(message)?;
    let mut bare = message[..end].to_vec();
    bare[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    Some(bare)
}

/// The size in the OPT record of a question, where it follows the question at once, as it does.
fn announced(question: &[u8]) -> Option<usize> {
    if count(question, 6) != 0 || count(question, 8) != 0 || count(question, 10) == 0 {
        return None;
    }
    match question.get(question_end(question)?..)? {
        [0, high, low, size_high, size_low, ..] if u16::from_be_bytes([*high, *low]) == OPT => {
            Some(usize::from(u16::from_be_bytes([*size_high, *size_low])))
        }
        _ => None,
    }
}

fn count(message: &[u8], at: usize) -> u16 {
    match message.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

/// Where the first question ends.
fn question_end(message: &[u8]) -> Option<usize> {
    if count(message, 4) == 0 {
        return None;
    }
    let mut at = HEADER;
    loop {
        match usize::from(*message.get(at)?) {
            0 => break,
            // A question is the first name: there is nothing that it could point to.
            64.. => return None,
            length => at += 1 + length,
        }
    }
    // Name's end, type, class.
    let end = at + 5;
    (end <= message.len() && end - HEADER <= 259).then_some(end)
}
