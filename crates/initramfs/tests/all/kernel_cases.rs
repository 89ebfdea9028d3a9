//! What the kernel's own test of its unpacking (init/initramfs_test.c of newer trees) is about, in cases of our own.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::common::{entry, file, of_type, read, read_clean};
use initramfs::newc::{Header, file_type};
use initramfs::{Fault, ImageReader, Owners, UnpackOptions, Unpacker, Unpacking};

fn trailer() -> Vec<u8> {
    entry(of_type(0), b"TRAILER!!!\0", b"")
}

/// Unpacks into a new folder.
fn unpacked(image: &[u8]) -> (tempfile::TempDir, Unpacking) {
    let folder = tempfile::tempdir().unwrap();
    let options = UnpackOptions {
        owners: Owners::Listed,
        force: false,
        location: folder.path().to_path_buf(),
        only: None,
    };
    let mut unpacker = Unpacker::new(fs::File::open(folder.path()).unwrap().into(), options);
    let mut reader = ImageReader::new(image).unwrap();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&mut entry).unwrap();
    }
    (folder, unpacker.finish().unwrap())
}

#[test]
fn a_directory_and_a_file_with_their_times() {
    let directory = Header { mtime: 2, uid: 12, gid: 34, ..of_type(file_type::DIRECTORY | 0o777) };
    let regular = Header { mtime: 1, uid: 12, gid: 34, ..of_type(file_type::REGULAR | 0o777) };
    let image =
        [entry(directory, b"extract_dir\0", b""), entry(regular, b"extract_dir/file\0", b"ASDF"), trailer()]
            .concat();
    let (folder, unpacking) = unpacked(&image);
    let metadata = |name: &str| fs::metadata(folder.path().join(name)).unwrap();
    assert_eq!((metadata("extract_dir").mtime(), metadata("extract_dir/file").mtime()), (2, 1));
    assert_eq!(fs::read(folder.path().join("extract_dir/file")).unwrap(), b"ASDF");
    let list = unpacking.list.unwrap();
    assert!(list.entries().all(|(_, entry)| (entry.uid, entry.gid, entry.mode) == (12, 34, 0o777)));
}

#[test]
fn a_name_without_its_nul_ends_the_archive() {
    // The name runs on into the data, and on to a NUL there.
    for (name, data) in [(&b"overrun"[..], &b""[..]), (b"overrun", b"more\0"), (b"o", b"\0\0\0")] {
        let image = [file(b"good\0", b""), file(name, data), trailer()].concat();
        let (found, summary) = read(&image);
        assert_eq!(found.len(), 1);
        assert_eq!(summary.problems.last().unwrap().fault, Fault::NameNotTerminated);
        let (folder, unpacking) = unpacked(&image);
        assert_eq!((unpacking.entries, fs::read_dir(folder.path()).unwrap().count()), (1, 1));
    }
}

#[test]
fn sums_are_those_of_the_bytes() {
    let data: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    let sum = data.iter().map(|byte| u32::from(*byte)).sum();
    let summed = |checksum| {
        let header = Header { checksum, ..of_type(file_type::REGULAR | 0o644) };
        let mut bytes = entry(header, b"data\0", &data);
        bytes[5] = b'2';
        [bytes, file(b"next\0", b"x"), trailer()].concat()
    };
    assert_eq!(read_clean(&summed(sum)).len(), 2);
    let (found, summary) = read(&summed(sum + 1));
    assert_eq!(found.len(), 2);
    assert_eq!(summary.problems[0].fault, Fault::Checksum { announced: sum + 1, found: sum });
    // What has a wrong sum does not get its name.
    let (folder, _) = unpacked(&summed(sum + 1));
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["next"]);
    let (folder, _) = unpacked(&summed(sum));
    assert!(fs::read(folder.path().join("data")).unwrap() == data);
}

#[test]
fn hard_links_share_what_stands_at_any_of_them() {
    let named = |name: &[u8], data: &[u8]| {
        let header = Header { inode: 1, link_count: 2, ..of_type(file_type::REGULAR | 0o777) };
        entry(header, name, data)
    };
    for image in [
        [named(b"link1\0", b""), named(b"link2\0", b"ASDF"), trailer()].concat(),
        [named(b"link1\0", b"ASDF"), named(b"link2\0", b""), trailer()].concat(),
    ] {
        let (folder, _) = unpacked(&image);
        let (one, two) = (folder.path().join("link1"), folder.path().join("link2"));
        assert_eq!(fs::read(&one).unwrap(), b"ASDF");
        let (one, two) = (fs::metadata(one).unwrap(), fs::metadata(two).unwrap());
        assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
    }
}

#[test]
fn a_thousand_files_in_a_directory() {
    let mut image = entry(of_type(file_type::DIRECTORY | 0o777), b"many\0", b"");
    for number in 0..1000 {
        let name = format!("many/file-{number}\0");
        image.extend(file(name.as_bytes(), name.as_bytes()));
    }
    image.extend(trailer());
    let (folder, unpacking) = unpacked(&image);
    assert_eq!(unpacking.entries, 1001);
    for number in 0..1000 {
        let content = fs::read(folder.path().join(format!("many/file-{number}"))).unwrap();
        assert_eq!(content, format!("many/file-{number}\0").as_bytes());
    }
}

#[test]
fn a_name_may_be_padded_with_nuls_within_its_size() {
    // Padding that aligns the data to blocks: the name ends at the first NUL, its size does not.
    let name = [&b"padded"[..], &[0; 100]].concat();
    let found = read_clean(&[file(&name, b"data"), trailer()].concat());
    assert_eq!((&found[0].name[..], &found[0].data[..]), (&b"padded"[..], &b"data"[..]));
    let (folder, unpacking) = unpacked(&[file(&name, b"data"), trailer()].concat());
    assert_eq!((fs::read(folder.path().join("padded")).unwrap(), unpacking.entries), (b"data".to_vec(), 1));
    assert_eq!(unpacking.list.unwrap().entries().next().unwrap().0, b"padded");
}

#[test]
fn a_name_of_path_max_is_taken_and_one_byte_more_is_not() {
    let component = "d".repeat(200);
    let long = |size: usize| {
        let mut name = component.clone().into_bytes();
        while name.len() < size {
            name.extend(format!("/{component}").bytes());
        }
        name.truncate(size - 1);
        name.push(0);
        name
    };
    assert_eq!(read_clean(&[file(&long(4096), b""), trailer()].concat()).len(), 1);
    let (found, summary) = read(&[file(&long(4097), b"data"), file(b"next\0", b""), trailer()].concat());
    assert_eq!((found.len(), &summary.problems[0].fault), (1, &Fault::NameSize(4097)));
}

#[test]
fn digits_are_hexadecimal_of_either_case_and_nothing_else() {
    let good = file(b"x\0", b"0123456789");
    for (digits, taken) in [
        (b"0000000a", true),
        (b"0000000A", true),
        (b"0x00000a", false),
        (b"      0a", false),
        (b"-000000a", false),
        (b"+000000a", false),
        (b"0000000g", false),
    ] {
        let mut bytes = good.clone();
        bytes[6 + 6 * 8..][..8].copy_from_slice(digits);
        let (found, summary) = read(&bytes);
        assert_eq!(found.len() == 1 && summary.problems.is_empty(), taken, "{}", digits.escape_ascii());
    }
}
