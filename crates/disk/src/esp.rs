//! The file system of an EFI system partition: FAT32 (UEFI specification, 13.3), the same bytes for the same files.

use std::io::{Read, Seek, Write};

use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

use crate::{Error, Result, SECTOR};

/// When every file was written: the first moment FAT can say, as no moment is an input.
#[derive(Debug)]
struct Beginning;

impl TimeProvider for Beginning {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

/// Makes the file system in `volume`, which is `bytes` long and zero, and puts the files into it: names with folders
/// ("EFI/BOOT/BOOTX64.EFI") and contents. `number` is the volume's serial number.
///
/// # Errors
/// The files do not fit, or `bytes` is no size of FAT32; writing.
pub fn write(
    volume: &mut (impl Read + Write + Seek),
    bytes: u64,
    number: u32,
    files: &[(&str, &[u8])],
) -> Result<()> {
    let sectors = u32::try_from(bytes / SECTOR)
        .map_err(|_| Error::unsupported(format!("{bytes} bytes are no FAT32 volume")))?;
    let options = FormatVolumeOptions::new()
        .total_sectors(sectors)
        .bytes_per_sector(SECTOR as u16)
        .bytes_per_cluster(SECTOR as u32)
        .fat_type(FatType::Fat32)
        .volume_id(number)
        .volume_label(*b"EFI        ");
    fatfs::format_volume(&mut *volume, options)?;
    let options = FsOptions::new().time_provider(&Beginning).update_accessed_date(false);
    let file_system = FileSystem::new(&mut *volume, options)?;
    for (name, content) in files {
        let mut folder = file_system.root_dir();
        let mut parts: Vec<&str> = name.split('/').collect();
        let file = parts.pop().unwrap_or_default();
        for part in parts {
            folder = folder.create_dir(part)?;
        }
        let mut file = folder.create_file(file)?;
        file.write_all(content)?;
        file.flush()?;
    }
    file_system.unmount()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const BYTES: u64 = 64 << 20;

    fn made(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
        let mut volume = Cursor::new(vec![0; BYTES as usize]);
        write(&mut volume, BYTES, 0x1234_5678, files)?;
        Ok(volume.into_inner())
    }

    #[test]
    fn files_are_there_and_the_bytes_are_the_same_each_time() {
        let content = vec![7; 3 << 20];
        let files: [(&str, &[u8]); 2] = [("EFI/BOOT/BOOTX64.EFI", &content), ("grub/grub.cfg", b"menu")];
        let volume = made(&files).unwrap();
        assert_eq!(volume, made(&files).unwrap());
        assert_eq!((&volume[82..90], volume[510]), (b"FAT32   ".as_slice(), 0x55));
        let file_system = FileSystem::new(Cursor::new(volume), FsOptions::new()).unwrap();
        let mut read = Vec::new();
        file_system.root_dir().open_file("efi/boot/bootx64.efi").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, content);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let content = vec![7; BYTES as usize];
        assert!(made(&[("a", &content)]).is_err());
    }
}
