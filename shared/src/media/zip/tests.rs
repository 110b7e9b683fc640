use std::process::Command;

use super::*;

fn at() -> Timestamp {
    "2026-11-23T05:06:08Z".parse().unwrap()
}

/// What Python's zipfile, which is nobody's relative of ours, finds in `zip`: name, size, checksum as it computes it, time.
fn as_python_reads(zip: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("{}.zip", crate::id::random_base62(16)));
    std::fs::write(&path, zip).unwrap();
    let program = "import sys, zipfile, zlib\n\
        with zipfile.ZipFile(sys.argv[1]) as z:\n\
        \x20   assert z.testzip() is None\n\
        \x20   for i in z.infolist():\n\
        \x20       print(i.filename, i.file_size, zlib.crc32(z.read(i)), i.date_time, oct(i.external_attr >> 16))\n";
    let done = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn another_reader_finds_what_was_written() {
    let (mut zip, mut out) = (Directory::default(), BytesMut::new());
    zip.file("empty", at(), b"", &mut out).unwrap();
    let mut open = zip.open("folder/Ümläut.txt", at(), &mut out).unwrap();
    for piece in [&b"in "[..], b"several ", b"pieces"] {
        zip.write(&mut open, piece, &mut out);
    }
    zip.close(open, &mut out).unwrap();
    zip.finish(&mut out);
    assert_eq!(zip.bytes(), out.len() as u64);
    let crc = crc_fast::crc32_iso_hdlc(b"in several pieces");
    let time = "(2026, 11, 23, 5, 6, 8) 0o100644";
    assert_eq!(as_python_reads(&out), format!("empty 0 0 {time}\nfolder/Ümläut.txt 17 {crc} {time}\n"));
}

#[test]
fn what_is_remembered_is_enough_to_go_on() {
    let whole = |remembered: bool| {
        let (mut zip, mut out) = (Directory::default(), BytesMut::new());
        for n in 0..20 {
            zip.file(&format!("{n}"), at(), n.to_string().repeat(100).as_bytes(), &mut out).unwrap();
            if remembered {
                zip = serde_json::from_str(&serde_json::to_string(&zip).unwrap()).unwrap();
            }
        }
        zip.finish(&mut out);
        out
    };
    assert_eq!(whole(true), whole(false));
}

#[test]
fn many_entries_and_long_files_are_written_as_zip64() {
    let (mut zip, mut out) = (Directory::default(), BytesMut::new());
    for n in 0..70_000 {
        zip.file(&n.to_string(), at(), b"x", &mut out).unwrap();
    }
    zip.finish(&mut out);
    assert_eq!(as_python_reads(&out).lines().count(), 70_000);

    // A file of five gigabytes whose first entry is a hole: written sparsely, read as it is.
    let (mut zip, mut out) = (Directory::default(), BytesMut::new());
    let hole: u64 = 5 << 30;
    zip.bytes = hole;
    zip.file("behind", at(), b"the hole", &mut out).unwrap();
    zip.finish(&mut out);
    assert_eq!(zip.bytes(), hole + out.len() as u64);
    let path = std::env::temp_dir().join(format!("{}.zip", crate::id::random_base62(16)));
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(hole)).unwrap();
    std::io::Write::write_all(&mut file, &out).unwrap();
    let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.read('behind') == b'the hole', z.namelist()";
    let done = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn what_doesnt_fit_is_refused() {
    let (mut zip, mut out) = (Directory::default(), BytesMut::new());
    assert!(zip.open(&"n".repeat(65_536), at(), &mut out).is_err());
    let mut open = zip.open("large", at(), &mut out).unwrap();
    open.size = u64::from(u32::MAX);
    assert!(zip.close(open, &mut out).is_err());
    assert_eq!(dos_time(Timestamp::UNIX_EPOCH) >> 25, 0, "no time before 1980");
}
