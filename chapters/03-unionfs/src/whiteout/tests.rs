use super::*;

#[test]
fn names_are_told_from_marks() {
    let of = |name: &'static str| mark(OsStr::new(name));
    assert_eq!(of("name").unwrap(), None);
    assert_eq!(of(".whale").unwrap(), None);
    assert_eq!(of(".wh.name").unwrap(), Some(Mark::Gone(OsStr::new("name"))));
    assert_eq!(of(".wh..hidden").unwrap(), Some(Mark::Gone(OsStr::new(".hidden"))));
    assert_eq!(of(".wh..wh..opq").unwrap(), Some(Mark::AllGone));
    for bad in [".wh.", ".wh..", ".wh...", ".wh..wh.", ".wh..wh.plnk", ".wh..wh..opq.x"] {
        assert!(of(bad).is_err(), "{bad}");
    }
}
