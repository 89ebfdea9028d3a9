//! Thin path.
#![allow(clippy::all, clippy::print_stdout, missing_docs)]
use engine::*;
fn main() {
    let (tx, rx) = std::sync::mpsc::channel();
    let t = std::thread::spawn(move || for e in rx { match e { base::Event::Progress{..} => {}, e => println!("{e:?}") } });
    let cwd = std::env::current_dir().unwrap();
    let arg = std::env::args().nth(1).map(std::path::PathBuf::from);
    let r = (|| {
        let spec = SpecFile::find(arg.as_deref(), &cwd)?;
        let session = Session { store: store::Store::open(std::env::var("ALLNO_STORE").unwrap())?, project: store::Project::at(&spec.folder)?, events: base::Events::to(tx), cancel: base::Cancel::new(), offline: false };
        let made = make(&session, &spec, &Overrides::default(), false)?;
        let report = boot::boot(&session, &spec, &made, boot::Mode::Check, None)?;
        println!("{}", serde_json::to_string_pretty(&report).unwrap());
        if let Some(e) = report.failure(&spec) { return Err(e) }
        Ok::<_, base::Error>(())
    })();
    t.join().unwrap();
    if let Err(e) = r { println!("ERROR {e:#?}"); std::process::exit(1) }
}
