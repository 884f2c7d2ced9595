//! What files of gzip are made of: members, one after the other. Some that write to tapes or into blocks fill up with zeros after the
//! last one; gzip passes over these, and so does this.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// Reads what is packed in all members.
pub struct Members<R> {
    /// The member that is read at the moment; none at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    /// Of a file that begins with one.
    pub fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else { break };
            if !pass_zeros(&mut input)? {
                self.member = Some(GzDecoder::new(input));
            }
        }
        Ok(0)
    }
}

/// Whether there was nothing else up to the end.
fn pass_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (is_end, is_over) = (bytes.is_empty(), zeros < bytes.len());
        input.consume(zeros);
        if is_end || is_over {
            return Ok(is_end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn packed(text: &str) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Members::new(bytes).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn all_members_are_read_and_zeros_passed_over() {
        let [one, empty, two] = ["one", "", "two"].map(packed);
        let zeros = [0; 700];
        for (parts, text) in [
            (vec![&one[..]], "one"),
            (vec![&one, &empty, &two], "onetwo"),
            (vec![&one, &zeros], "one"),
            (vec![&one, &zeros, &two, &zeros], "onetwo"),
        ] {
            assert_eq!(read(&parts.concat()).unwrap(), text);
        }
        for parts in [vec![&one[..], b"x"], vec![&one, &zeros, b"x"], vec![&one[..one.len() - 1]]] {
            assert!(read(&parts.concat()).is_err());
        }
    }
}
