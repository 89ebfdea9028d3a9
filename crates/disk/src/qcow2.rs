//! The header of a QEMU copy-on-write image (QEMU: docs/interop/qcow2.rst): enough to know whether reading the image would read
//! other files of this host, which an image from elsewhere must not make anybody do.

use std::io::{Read, Seek};

use crate::bytes::{be32, be64, read_at};
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"QFI\xfb";
/// Incompatible feature: guest data lies in another file.
const EXTERNAL_DATA: u64 = 1 << 2;
/// Incompatible feature: the image is known to be damaged.
const CORRUPT: u64 = 1 << 1;
/// The largest disk QEMU makes is below this (2^63 bytes, block/qcow2.h QCOW_MAX_...); a larger one is a lie.
const LARGEST: u64 = i64::MAX as u64;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The disk's size in bytes.
    pub size: u64,
}

/// The header of `image`; `None` where it is no such image.
///
/// # Errors
/// It needs another file (a backing file, an external data file), is encrypted, or is damaged: [`Error::Unsupported`],
/// [`Error::Damaged`]; reading.
pub fn read(image: &mut (impl Read + Seek)) -> Result<Option<Header>> {
    let bytes = read_at(image, 0, 104)?;
    if bytes.get(..4) != Some(MAGIC) {
        return Ok(None);
    }
    let version = be32(&bytes, 4);
    if bytes.len() < 72 || !(2..=3).contains(&version) {
        return Err(Error::unsupported(format!("a qcow2 image of version {version} is not read")));
    }
    if be64(&bytes, 8) != 0 {
        return Err(Error::unsupported(
            "the qcow2 image is only the difference to another file (it has a backing file)",
        ));
    }
    if be32(&bytes, 32) != 0 {
        return Err(Error::unsupported("the qcow2 image is encrypted"));
    }
    let features = if version >= 3 { be64(&bytes, 72) } else { 0 };
    if features & EXTERNAL_DATA != 0 {
        return Err(Error::unsupported("the qcow2 image keeps its data in another file"));
    }
    if features & CORRUPT != 0 {
        return Err(Error::damaged("the qcow2 image says of itself that it is damaged"));
    }
    let size = be64(&bytes, 24);
    if size > LARGEST {
        return Err(Error::damaged(format!("the qcow2 image says it is a disk of {size} bytes")));
    }
    Ok(Some(Header { version, size }))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::bytes::put;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 512];
        put(&mut image, 0, MAGIC);
        put(&mut image, 4, &3_u32.to_be_bytes());
        put(&mut image, 24, &(1_u64 << 30).to_be_bytes());
        image
    }

    fn refused(at: usize, value: &[u8]) -> String {
        let mut image = image();
        put(&mut image, at, value);
        read(&mut Cursor::new(image)).unwrap_err().to_string()
    }

    #[test]
    fn what_would_read_other_files_is_refused() {
        let plain = read(&mut Cursor::new(image())).unwrap();
        assert_eq!(plain, Some(Header { version: 3, size: 1 << 30 }));
        assert!(refused(8, &104_u64.to_be_bytes()).contains("backing file"));
        assert!(refused(72, &EXTERNAL_DATA.to_be_bytes()).contains("another file"));
        assert!(refused(72, &CORRUPT.to_be_bytes()).contains("damaged"));
        assert!(refused(32, &1_u32.to_be_bytes()).contains("encrypted"));
        assert!(refused(24, &u64::MAX.to_be_bytes()).contains("18446744073709551615"));
        assert!(refused(4, &9_u32.to_be_bytes()).contains("version 9"));
        assert_eq!(read(&mut Cursor::new(b"QFI")).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = read(&mut Cursor::new([MAGIC.as_slice(), &bytes].concat()));
        }
    }
}
