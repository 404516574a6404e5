//! One JPEG file out of strips that were compressed each as a file of its own.
//!
//! A strip that ends with a whole row of MCUs ends on a whole byte and has told everything that the decoder
//! needs, so strips follow each other with a restart marker in between, as if the encoder had been asked for
//! restart intervals (ITU T.81 B.2.1, E.1.4).

use super::Error;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOF_BASELINE: u8 = 0xC0;
const SOS: u8 = 0xDA;
const DRI: u8 = 0xDD;
const RST0: u8 = 0xD0;

/// Puts strips together that were compressed with the same settings.
#[derive(Debug)]
pub(super) struct Joiner {
    /// Lines of the whole picture.
    pub(super) height: u16,
    /// MCUs of every strip but the last.
    pub(super) interval: u16,
    /// Strips that are in already.
    pub(super) strips: usize,
}

impl Joiner {
    /// Appends a strip to `file`, which holds the strips before it.
    pub(super) fn add(&mut self, file: &mut Vec<u8>, strip: &[u8]) -> Result<(), Error> {
        let head = Head::of(strip).ok_or(Error::Join)?;
        let (before, scan) = strip.split_at_checked(head.scan).ok_or(Error::Join)?;
        let (header, data) = scan
            .split_at_checked(head.data - head.scan)
            .ok_or(Error::Join)?;
        let data = data.strip_suffix(&[0xFF, EOI]).ok_or(Error::Join)?;
        if self.strips == 0 {
            file.extend_from_slice(before);
            file.get_mut(head.height..head.height + 2)
                .ok_or(Error::Join)?
                .copy_from_slice(&self.height.to_be_bytes());
            let [high, low] = self.interval.to_be_bytes();
            file.extend_from_slice(&[0xFF, DRI, 0, 4, high, low]);
            file.extend_from_slice(header);
        } else {
            // Restart markers count round from 0 to 7.
            file.extend_from_slice(&[0xFF, RST0 + ((self.strips - 1) % 8) as u8]);
        }
        file.extend_from_slice(data);
        self.strips += 1;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(file: &mut Vec<u8>) {
        file.extend_from_slice(&[0xFF, EOI]);
    }
}

/// Where things are in a file of one scan.
struct Head {
    /// The two bytes that say how many lines there are.
    height: usize,
    /// The marker of the scan.
    scan: usize,
    /// What comes after the scan's header.
    data: usize,
}

impl Head {
    fn of(file: &[u8]) -> Option<Self> {
        if file.get(..2)? != [0xFF, SOI] {
            return None;
        }
        let (mut at, mut height) = (2, None);
        loop {
            let [0xFF, kind, high, low] = *file.get(at..at + 4)? else {
                return None;
            };
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            match kind {
                // Marker, length and precision come before it.
                SOF_BASELINE => height = Some(at + 5),
                SOS => {
                    return Some(Self {
                        height: height?,
                        scan: at,
                        data: end,
                    });
                }
                _ => {}
            }
            at = end;
        }
    }
}
