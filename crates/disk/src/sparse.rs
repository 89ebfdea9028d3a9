//! Copying so that what is zero takes no room.

use std::io::{Read, Result, Seek, SeekFrom, Write};

/// What is looked at in one go: a block of every usual file system.
const BLOCK: usize = 4096;
/// What is read in one go.
const PIECE: usize = 1 << 20;

/// Copies `length` bytes (fewer where `from` ends) from where `from` stands to byte `at` of `to`, block by block, and leaves
/// out blocks of zeros: `to` must have a hole or zeros there. Returns how many bytes were copied or left out. `each` is told of
/// each piece and may stop it.
///
/// # Errors
/// Reading or writing; what `each` says.
pub fn copy(
    from: &mut impl Read,
    to: &mut (impl Write + Seek),
    at: u64,
    length: u64,
    mut each: impl FnMut(u64) -> Result<()>,
) -> Result<u64> {
    let mut done = 0;
    let mut piece = vec![0; PIECE];
    while done < length {
        let wanted = PIECE.min((length - done).try_into().unwrap_or(PIECE));
        let count = fill(from, &mut piece[..wanted])?;
        if count == 0 {
            break;
        }
        write_data(&piece[..count], to, at + done)?;
        done += count as u64;
        each(done)?;
    }
    Ok(done)
}

/// Writes the runs of blocks that are not zero.
fn write_data(piece: &[u8], to: &mut (impl Write + Seek), at: u64) -> Result<()> {
    let mut begin = 0;
    while begin < piece.len() {
        let is_zero = |at: usize| piece[at..(at + BLOCK).min(piece.len())].iter().all(|byte| *byte == 0);
        let zero = is_zero(begin);
        let mut end = begin + BLOCK;
        while end < piece.len() && is_zero(end) == zero {
            end += BLOCK;
        }
        let end = end.min(piece.len());
        if !zero {
            to.seek(SeekFrom::Start(at + begin as u64))?;
            to.write_all(&piece[begin..end])?;
        }
        begin = end;
    }
    Ok(())
}

/// Reads until `buffer` is full or the end.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match from.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Cursor;
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_take_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let mut to = File::create(&path).unwrap();
        to.set_len(16 << 20).unwrap();
        let mut from = vec![0; 8 << 20];
        from[5 << 20] = 1;
        copy(&mut from.as_slice(), &mut to, 1 << 20, u64::MAX, |_| Ok(())).unwrap();
        to.sync_all().unwrap();
        let metadata = path.metadata().unwrap();
        assert!(metadata.len() == 16 << 20 && metadata.blocks() * 512 < 1 << 20, "{metadata:?}");
        assert_eq!(std::fs::read(&path).unwrap()[6 << 20], 1);
    }

    proptest! {
        #[test]
        fn a_copy_is_a_copy(
            runs in proptest::collection::vec((0_usize..3 * BLOCK, any::<bool>()), 0..12),
            at in 0_u64..10_000,
            cut in 0_usize..40_000,
        ) {
            let from: Vec<u8> =
                runs.iter().flat_map(|(length, data)| std::iter::repeat_n(u8::from(*data), *length)).collect();
            let length = cut.min(from.len());
            let mut to = Cursor::new(vec![0; 1 << 17]);
            let done = copy(&mut from.as_slice(), &mut to, at, cut as u64, |_| Ok(())).unwrap();
            prop_assert_eq!(done, length as u64);
            prop_assert_eq!(&to.into_inner()[at as usize..at as usize + length], &from[..length]);
        }
    }
}
