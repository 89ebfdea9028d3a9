//! `allno initramfs`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `allno initramfs`
#[derive(Args, Debug)]
pub struct Initramfs {
    /// What to do.
    #[command(subcommand)]
    pub action: InitramfsAction,
}

/// What `allno initramfs` does.
#[derive(Debug, Subcommand)]
pub enum InitramfsAction {
    /// List the segments and entries of an archive
    Ls(InitramfsLs),
    /// Write a file of an archive to standard output
    Cat(InitramfsCat),
    /// Unpack an archive into a folder, and never outside it
    Unpack(InitramfsUnpack),
    /// Say what two archives differ in once the kernel has unpacked them
    Diff(InitramfsDiff),
    /// Say what would keep an archive from booting
    Lint(InitramfsLint),
    /// Pack a folder, or what a list names, into an archive
    Pack(InitramfsPack),
    /// Change one file of an archive: the rest of it is not touched
    Edit(InitramfsEdit),
    /// Take a file or directory out of an archive
    Rm(InitramfsRm),
    /// Make one segment of all
    Squash(InitramfsSquash),
}

/// `allno initramfs ls`
#[derive(Args, Debug)]
#[command(after_help = LS)]
pub struct InitramfsLs {
    /// The archive; - is standard input
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// Show segments, modes, owners, sizes and times (UTC)
    #[arg(short)]
    pub long: bool,
}

const LS: &str = "\
Without -l, names alone go to a file or another program, byte by byte as they are; a terminal is shown the segments too. An
entry that a later one replaces, or that the kernel leaves out, is marked.";

/// `allno initramfs cat`
#[derive(Args, Debug)]
pub struct InitramfsCat {
    /// The archive; - is standard input
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The file, as the kernel finds it when it has unpacked everything
    #[arg(value_name = "PATH")]
    pub path: OsString,
}

/// `allno initramfs unpack`
#[derive(Args, Debug)]
#[command(after_help = UNPACK)]
pub struct InitramfsUnpack {
    /// The archive; - is standard input
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The folder; it is made if it is missing
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// Only what this pattern fits, and what is in directories that it fits: etc, 'lib/**/*.ko'
    #[arg(long, value_name = "GLOB")]
    pub only: Option<OsString>,
    /// Unpack each segment into a folder of its own: DIR/1, DIR/2, ...
    #[arg(long)]
    pub segments: bool,
    /// Replace files that were there before
    #[arg(long)]
    pub force: bool,
    /// Write owners, modes and nodes into DIR.list, as for anybody but root
    #[arg(long)]
    pub list: bool,
}

const UNPACK: &str = "\
As root, owners, modes and device nodes are made. For anybody else they are written into DIR.list, from which allno initramfs
pack makes the same archive again. Names that hold .. or go through a symbolic link are refused; files that were there
before are kept unless --force is given.";

/// `allno initramfs diff`
#[derive(Args, Debug)]
pub struct InitramfsDiff {
    /// An archive
    #[arg(value_name = "A", value_hint = ValueHint::FilePath)]
    pub left: PathBuf,
    /// What to compare it with
    #[arg(value_name = "B", value_hint = ValueHint::FilePath)]
    pub right: PathBuf,
    /// Compare times of change, too
    #[arg(long)]
    pub times: bool,
}

/// `allno initramfs lint`
#[derive(Args, Debug)]
#[command(after_help = LINT)]
pub struct InitramfsLint {
    /// The archive; - is standard input
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The configuration of the kernel that is to boot it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The program the kernel starts, as its parameter rdinit= says
    #[arg(long, value_name = "PATH", default_value = "/init")]
    pub rdinit: OsString,
}

const LINT: &str = "\
Exit code 0 if the kernel gets to run init, 1 if something keeps it from that. Each finding has a code that stays the same.
Without --config the kernel is taken to be able to unpack and start everything.";

/// How an archive is compressed.
#[derive(Args, Debug)]
pub struct InitramfsForm {
    /// none, gzip, zstd, xz or lz4
    #[arg(long, value_name = "FORM")]
    pub compress: Option<String>,
    /// The compression's level: 0 to 9 for gzip and xz, 1 to 22 for zstd
    #[arg(long, value_name = "N")]
    pub level: Option<u32>,
}

/// `allno initramfs pack`
#[derive(Args, Debug)]
#[command(after_help = PACK)]
pub struct InitramfsPack {
    /// The folder, or a list as the kernel's gen_init_cpio reads it; - is standard input
    #[arg(value_name = "DIR|LIST", value_hint = ValueHint::AnyPath)]
    pub from: PathBuf,
    /// The archive to write
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// How it is compressed [default: gzip].
    #[command(flatten)]
    pub form: InitramfsForm,
    /// Keep the folder's owners and times, which are root's and SOURCE_DATE_EPOCH's (or 0) else
    #[arg(long)]
    pub preserve: bool,
}

const PACK: &str = "\
Without --compress it is gzip. The same input gives the same bytes. Where DIR.list stands beside DIR, names, their order,
owners, modes, times and nodes are the list's, contents the folder's.";

/// `allno initramfs edit`
#[derive(Args, Debug)]
#[command(after_help = EDIT)]
pub struct InitramfsEdit {
    /// The archive
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The file, as the kernel finds it: symbolic links are followed
    #[arg(value_name = "PATH")]
    pub path: OsString,
    /// Its new content
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub with: Option<PathBuf>,
    /// Its new permission bits, in octal
    #[arg(long, value_name = "MODE", value_parser = octal)]
    pub mode: Option<u32>,
}

const EDIT: &str = "\
With neither --with nor --mode the file is opened in $VISUAL, $EDITOR or vi. The change is appended as a small segment; what
that cannot say (one name of a file with several, a directory that holds something) writes its segment anew.";

/// `allno initramfs rm`
#[derive(Args, Debug)]
pub struct InitramfsRm {
    /// The archive
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// What goes, from every segment; a symbolic link itself
    #[arg(value_name = "PATH")]
    pub path: OsString,
    /// With all that is below it
    #[arg(short, long)]
    pub recursive: bool,
}

/// `allno initramfs squash`
#[derive(Args, Debug)]
pub struct InitramfsSquash {
    /// The archive; - is standard input
    #[arg(value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The archive to write; it may be the same
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// How it is compressed [default: as the largest segment].
    #[command(flatten)]
    pub form: InitramfsForm,
}

/// Permission bits as chmod takes them.
fn octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "expected octal digits up to 7777, as in 0755".to_string())
}
