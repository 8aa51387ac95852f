use super::*;

#[test]
fn an_archive_becomes_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o640);
    header.set_mtime(7);
    header.set_uid(nix::unistd::getuid().as_raw().into());
    header.set_gid(nix::unistd::getgid().as_raw().into());
    archive.append_data(&mut header, "a/b", &b"hi"[..]).unwrap();
    let archive = archive.into_inner().unwrap();
    let below = Directory::root(&[] as &[PathBuf], Spelling::User).unwrap();
    let unpacked = unpack(&archive[..], dir.path(), &below, Spelling::User).unwrap();
    assert_eq!((unpacked.size, unpacked.entries, unpacked.newest), (2, 1, Some(7)));
    assert_eq!(std::fs::read(dir.path().join("a/b")).unwrap(), b"hi");
}
