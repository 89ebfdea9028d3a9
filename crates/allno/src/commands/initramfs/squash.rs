//! `allno initramfs squash`: all segments made one.

use base::Result;
use initramfs::{Compression, Form, ImageReader};

use super::output::{self, Output};
use super::pack::{form, line, object};
use super::{Answer, Context, source, unreadable};
use crate::arguments::InitramfsSquash;

/// Squashes it.
pub fn run(context: &Context, arguments: &InitramfsSquash) -> Result<Answer> {
    let path = &arguments.archive;
    let file = source::open(path, &context.cancel)?;
    let compression = match form(&arguments.form)? {
        Some(compression) => compression,
        None => largest(&file).map_err(|cause| unreadable(path, cause))?,
    };
    let statistics = output::make(context, &arguments.output, compression, |output| match output {
        Output::Plain(to) => initramfs::squash(&file, path, compression, to),
        Output::Compressed(stopping) => initramfs::squash(&file, path, compression, stopping),
    })?;
    let object = object(&arguments.output, &statistics, compression);
    Answer::new(context.global, &object, || line(&arguments.output, &statistics, compression))
}

/// The form of the segment that holds most, where we write it.
fn largest(file: &std::fs::File) -> std::io::Result<Compression> {
    let mut reader = ImageReader::new(file)?;
    while reader.next_entry()?.is_some() {}
    let largest =
        reader.summary().segments.iter().filter(|segment| !segment.early).max_by_key(|it| it.unpacked);
    let form = largest.map_or(Form::Plain, |segment| segment.form);
    Ok(form.compression().unwrap_or(Compression::Gzip { level: 6 }))
}
