//! Files that may be packed with gzip.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::Flaw;
use crate::error::{Error, Result};

/// What every gzip file begins with (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Most bytes that a file is unpacked to, 1 GiB: a few kilobytes can be made to unpack to terabytes. (The images of MNIST are 47 MB.)
const MOST: u64 = 1 << 30;

/// The bytes of a file, unpacked if it is packed with gzip, whatever its name.
///
/// # Errors
/// [`Error::Read`] if it cannot be read, [`Error::Data`] if it is damaged or unpacks to more than 1 GiB.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|e| Error::read(path, e))?;
    if !bytes.starts_with(&MAGIC) {
        return Ok(bytes);
    }
    unpack(&bytes, MOST).map_err(|flaw| flaw.of(path.display().to_string()))
}

fn unpack(packed: &[u8], most: u64) -> std::result::Result<Vec<u8>, Flaw> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed)
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| {
            Flaw::new(
                format!("is a damaged gzip file: {e}"),
                "fetch or pack it again: it may be cut off",
            )
        })?;
    if bytes.len() as u64 > most {
        return Err(Flaw::new(
            format!("unpacks to more than {most} bytes"),
            "unpack it yourself (gunzip) if it is meant to be so large",
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn files_are_unpacked_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for bytes in [packed(b"a,b\n1,2\n"), b"a,b\n1,2\n".to_vec()] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_unpacked(&path).unwrap(), b"a,b\n1,2\n");
        }
        // Files that are joined unpack to all of them, as gunzip has it.
        let joined = [packed(b"one "), packed(b"two")].concat();
        assert_eq!(unpack(&joined, 100).unwrap(), b"one two");
    }

    #[test]
    fn damaged_and_swelling_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv.gz");
        let whole = packed(b"a,b\n1,2\n3,4\n");
        let mut wrong = whole.clone();
        let last = wrong.len() - 5;
        wrong[last] ^= 1;
        for bytes in [&whole[..whole.len() - 9], &wrong, &whole[..2]] {
            std::fs::write(&path, bytes).unwrap();
            let text = read_unpacked(&path).unwrap_err().to_string();
            assert!(text.contains("damaged gzip file"), "{text}");
            assert!(text.contains("a.csv.gz"), "{text}");
        }
        let zeros = packed(&vec![0; 1 << 20]);
        assert!(zeros.len() < 2000, "{}", zeros.len());
        assert_eq!(unpack(&zeros, 1 << 20).unwrap().len(), 1 << 20);
        let rule = unpack(&zeros, (1 << 20) - 1).unwrap_err().rule;
        assert!(rule.contains("more than 1048575 bytes"), "{rule}");
        assert!(read_unpacked(folder.path()).is_err());
    }
}
