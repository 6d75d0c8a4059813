//! Bad input and bad circumstances: each with its own message, the right exit code, and nothing lost or left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::{Header, ImageData, write_image};
use zemosaic_testkit::{TanFrame, noise_image, tan_header, write_test_frame};

/// Mosaic `frames`, expect a product in which `bad` is missing with `code`, and the inputs unchanged.
fn expect_left_out(dir: &Path, frames: &Path, bad: &str, code: &str, exit_code: i32) -> Ran {
    let out = dir.join("out");
    let before = hashes(frames);
    let ran = mosaic(&[frames], &out, &[]);
    ran.expect(exit_code, code);
    assert_products(dir, &out);
    assert_eq!(left_out_code(&out, bad), code);
    assert_eq!(used_frames(&out).len(), 3, "the good frames are used");
    assert_eq!(hashes(frames), before, "inputs are never changed");
    ran
}

/// Mosaic `inputs`, expect a failure that leaves nothing, and `inputs` unchanged.
fn expect_failure(dir: &Path, inputs: &[&Path], more: &[&str], exit_code: i32, code: &str) -> Ran {
    let out = dir.join("out");
    let before: Vec<_> = inputs.iter().map(|input| hashes(input)).collect();
    let ran = mosaic(inputs, &out, more);
    ran.expect(exit_code, code);
    assert_no_product(dir, &out);
    assert_eq!(inputs.iter().map(|input| hashes(input)).collect::<Vec<_>>(), before);
    ran
}

fn cut(path: &Path, bytes: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

#[test]
fn truncated_file() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    cut(&frames.join("f1.fits"), 30_000);
    expect_left_out(dir.path(), &frames, "f1.fits", "E-FRAME-TRUNCATED", 9);
}

#[test]
fn file_cut_inside_its_header() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    std::fs::OpenOptions::new().write(true).open(frames.join("f1.fits")).unwrap().set_len(1000).unwrap();
    std::fs::write(frames.join("f4.fits"), b"").unwrap();
    let ran = expect_left_out(dir.path(), &frames, "f4.fits", "E-FRAME-FORMAT", 9);
    assert!(ran.stderr.contains("f1.fits"), "{}", ran.stderr);
}

#[test]
fn only_damaged_files() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    cut(&frames.join("f0.fits"), 100_000);
    std::fs::write(frames.join("f1.fits"), b"not FITS at all").unwrap();
    let ran = expect_failure(dir.path(), &[&frames], &[], 3, "E-INPUT-UNUSABLE");
    ran.tells("E-FRAME-TRUNCATED").tells("E-FRAME-FORMAT");
}

#[test]
fn truncated_gzip() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    let packed = gzip(&std::fs::read(frames.join("f1.fits")).unwrap());
    std::fs::remove_file(frames.join("f1.fits")).unwrap();
    // Wherever it is cut, the last four bytes then state some random length.
    for (index, share) in [0.3, 0.9].into_iter().enumerate() {
        let name = format!("g{index}.fits.gz");
        std::fs::write(frames.join(&name), &packed[..(packed.len() as f64 * share) as usize]).unwrap();
    }
    let ran = expect_left_out(dir.path(), &frames, "g0.fits.gz", "E-FRAME-DAMAGED", 9);
    ran.tells("gzip");
}

#[test]
fn gzip_of_a_truncated_file() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    let whole = std::fs::read(frames.join("f1.fits")).unwrap();
    std::fs::remove_file(frames.join("f1.fits")).unwrap();
    std::fs::write(frames.join("f1.fits.gz"), gzip(&whole[..whole.len() / 2])).unwrap();
    expect_left_out(dir.path(), &frames, "f1.fits.gz", "E-FRAME-TRUNCATED", 9);
}

#[test]
fn gzip_of_several_members_is_read_whole() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    let plain = dir.path().join("plain");
    mosaic(&[&frames], &plain, &[]).expect(0, "");
    let whole = std::fs::read(frames.join("f1.fits")).unwrap();
    std::fs::remove_file(frames.join("f1.fits")).unwrap();
    let mut packed = gzip(&whole[..50_000]);
    packed.extend(gzip(&whole[50_000..]));
    // As block gzip ends: a member that holds nothing.
    packed.extend(gzip(&[]));
    std::fs::write(frames.join("f1.fits.gz"), packed).unwrap();
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(0, "");
    assert_products(dir.path(), &plain);
    let bits = |folder: &Path| -> Vec<u32> {
        Mosaic::open(&folder.join("mosaic.fits")).plane("SCI", 0).into_iter().map(f32::to_bits).collect()
    };
    assert!(bits(&out) == bits(&plain), "the packed frame is the frame");
}

fn write_without_wcs(path: &Path, seed: u64) {
    let image = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, seed);
    write_image(path, &Header::new(), ImageData::F32(&image), &[WIDTH, HEIGHT]).unwrap();
}

#[test]
fn one_frame_without_wcs() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    write_without_wcs(&frames.join("unsolved.fits"), 1);
    let ran = expect_left_out(dir.path(), &frames, "unsolved.fits", "E-WCS-NONE", 9);
    ran.tells("plate-solve");
}

#[test]
fn no_frame_with_wcs() {
    let dir = folder();
    write_without_wcs(&dir.path().join("a.fits"), 1);
    write_without_wcs(&dir.path().join("b.fits"), 2);
    let frames = dir.path().to_path_buf();
    expect_failure(&dir.path().join("none"), &[&frames], &["--quiet"], 5, "E-WCS-NONE")
        .tells("E-INPUT-UNUSABLE");
}

#[test]
fn ignored_wcs() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    expect_failure(dir.path(), &[&frames], &["--ignore-wcs"], 5, "E-WCS-NONE").tells("--ignore-wcs");
}

#[test]
fn degenerate_wcs_of_a_real_frame() {
    let Some(path) = real_data("seestar_headers/m31_mosaic_lp_degenerate_wcs.hdr") else { return };
    let header = Header::parse_text(&std::fs::read_to_string(path).unwrap()).unwrap();
    let raw: Vec<u16> =
        noise_image(WIDTH, HEIGHT, 1000.0, 10.0, 1).iter().map(|v| v.round() as u16).collect();
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    write_image(&frames.join("bad.fits"), &header, ImageData::U16(&raw), &[WIDTH, HEIGHT]).unwrap();
    expect_failure(dir.path(), &[&frames], &[], 5, "E-WCS-DEGENERATE");
    std::fs::remove_dir_all(dir.path().join("out")).ok();
    for index in 0..3 {
        write_cfa(&frames.join(format!("f{index}.fits")), &pointing(index, 0.0), index);
    }
    expect_left_out(dir.path(), &frames, "bad.fits", "E-WCS-DEGENERATE", 9);
}

#[test]
fn frame_of_nan() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    // It reaches farther than the others: the canvas must be that of the others alone.
    let wide = TanFrame::pointed_at(
        (150.1, 41.05),
        SCALE_ARCSEC,
        0.0,
        zemosaic_testkit::tan::Parity::Sky,
        (WIDTH, HEIGHT),
    );
    let nan = vec![f32::NAN; WIDTH * HEIGHT];
    write_test_frame(&frames.join("f1.fits"), &wide, ImageData::F32(&nan), |_| {}).unwrap();
    expect_left_out(dir.path(), &frames, "f1.fits", "E-FRAME-EMPTY", 9);
    let with_nan = Mosaic::open(&dir.path().join("out/mosaic.fits")).grid();
    std::fs::remove_file(frames.join("f1.fits")).unwrap();
    mosaic(&[&frames], &dir.path().join("without"), &[]).expect(0, "");
    assert_eq!(Mosaic::open(&dir.path().join("without/mosaic.fits")).grid(), with_nan);
}

#[test]
fn only_frames_of_nan() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    let nan = vec![f32::NAN; WIDTH * HEIGHT];
    write_test_frame(&frames.join("a.fits"), &pointing(0, 0.0), ImageData::F32(&nan), |_| {}).unwrap();
    expect_failure(dir.path(), &[&frames], &[], 3, "E-FRAME-EMPTY");
}

#[test]
fn mono_and_colour_together() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    write_cfa(&frames.join("raw.fits"), &pointing(2, 0.0), 2);
    let ran = expect_failure(dir.path(), &[&frames], &[], 2, "E-INPUT-MIXED");
    ran.tells("raw.fits").tells("f0.fits");
}

#[test]
fn frame_far_off() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let far = TanFrame { crval_deg: [150.0, 1.0], ..pointing(0, 0.0) };
    write_mono(&frames.join("far.fits"), &far, 9);
    expect_left_out(dir.path(), &frames, "far.fits", "W-FRAME-GROUP", 0).tells("--group 2");
    let near = Mosaic::open(&dir.path().join("out/mosaic.fits")).grid();
    assert!(
        near.width_px < 2 * WIDTH && near.height_px < 2 * HEIGHT,
        "the canvas holds the near frames only"
    );

    let second = dir.path().join("second");
    mosaic(&[&frames], &second, &["--group", "2"]).expect(0, "W-FRAME-GROUP");
    assert_eq!(used_frames(&second), ["far.fits"]);
    assert_products(dir.path(), &second);

    let all = dir.path().join("all");
    let ran = mosaic(&[&frames], &all, &["--group", "all"]);
    ran.expect(0, "");
    assert!(!ran.stderr.contains("W-FRAME-GROUP"), "every frame is in a mosaic: {}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!(used_frames(&all.join("group_1")).len(), 3);
    assert_eq!(used_frames(&all.join("group_2")), ["far.fits"]);
    // Each has the log of its own part of the run.
    for group in ["group_1", "group_2"] {
        let events = std::fs::read_to_string(all.join(group).join("events.jsonl")).unwrap();
        let lines: Vec<&str> = events.lines().collect();
        assert!(lines[0].contains("run-started"), "{events}");
        let last = lines.last().unwrap();
        assert!(last.contains("\"finished\"") && last.contains(&format!("{group}/mosaic.fits")), "{last}");
        assert_eq!(events.matches("\"planned\"").count(), 1, "{events}");
    }
    for (one, group) in [("out", "group_1"), ("second", "group_2")] {
        let alone = Mosaic::open(&dir.path().join(one).join("mosaic.fits"));
        assert_eq!(
            alone.plane("SCI", 0).len(),
            Mosaic::open(&all.join(group).join("mosaic.fits")).plane("SCI", 0).len()
        );
    }
    // The products of the first group are in the way of the second run; nothing is touched.
    std::fs::remove_dir_all(all.join("group_1")).unwrap();
    std::fs::create_dir(all.join("group_1")).unwrap();
    let before = hashes(&all);
    mosaic(&[&frames], &all, &["--group", "all"]).expect(8, "E-OUTPUT-EXISTS");
    assert_eq!(hashes(&all), before);

    mosaic(&[&frames], &dir.path().join("third"), &["--group", "3"]).expect(2, "E-USAGE").tells("2 groups");
}

#[test]
fn groups_below_the_input_folder_are_no_input() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    write_mono(&frames.join("far.fits"), &TanFrame { crval_deg: [150.0, 1.0], ..pointing(0, 0.0) }, 9);
    let out = frames.join("out");
    mosaic(&[&frames], &out, &["--group", "all"]).expect(0, "");
    for group in ["group_1", "group_2"] {
        assert_eq!(frames_csv(&out.join(group)).len(), 3, "mosaics are not among the frames");
    }
}

#[test]
fn frame_of_another_scale() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let mut coarse = pointing(0, 0.0);
    coarse.cd_deg = coarse.cd_deg.map(|row| row.map(|value| value * 30.0));
    write_mono(&frames.join("wide.fits"), &coarse, 9);
    expect_left_out(dir.path(), &frames, "wide.fits", "W-FRAME-OUTLIER", 0);
}

#[test]
#[cfg(unix)]
fn unreadable_folder_and_file() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let closed = frames.join("closed");
    std::fs::create_dir(&closed).unwrap();
    set_mode(dir.path(), 0o777);
    let out = dir.path().join("out");
    let script = "\"$1\" mosaic \"$2\" -o \"$3\"";
    let Some(mut command) = unprivileged(script, &[&frames, &out]) else { return };
    set_mode(&closed, 0o000);
    let ran = run(&mut command);
    set_mode(&closed, 0o755);
    ran.expect(7, "E-INPUT-READ").tells("closed").tells("permissions");
    assert_no_product(dir.path(), &out);
    std::fs::remove_dir(&closed).unwrap();

    write_mono(&frames.join("f3.fits"), &pointing(3, 0.0), 3);
    set_mode(&frames.join("f3.fits"), 0o000);
    let ran = run(&mut command);
    ran.expect(9, "E-FRAME-READ").tells("f3.fits");
    assert_eq!(left_out_code(&out, "f3.fits"), "E-FRAME-READ");
    assert_eq!(used_frames(&out).len(), 3);
}

#[test]
#[cfg(unix)]
fn dangling_link() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    std::os::unix::fs::symlink(dir.path().join("gone.fits"), frames.join("link.fits")).unwrap();
    expect_left_out(dir.path(), &frames, "link.fits", "E-FRAME-READ", 9);
}

#[test]
fn input_that_does_not_exist() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 1);
    expect_failure(dir.path(), &[&frames, &dir.path().join("none")], &[], 7, "E-INPUT-MISSING").tells("none");
    assert!(!dir.path().join("out").exists());
    let gone = dir.path().join("gone.wcs");
    let more = ["--wcs-from", gone.to_str().unwrap()];
    expect_failure(dir.path(), &[&frames], &more, 7, "E-INPUT-MISSING").tells("gone.wcs");
}

#[test]
fn no_input_at_all() {
    let dir = folder();
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(empty.join("notes.txt"), "no frames today").unwrap();
    expect_failure(dir.path(), &[&empty], &[], 3, "E-INPUT-NONE").tells("empty");
    assert!(!dir.path().join("out").exists());
    run(program().arg("mosaic").current_dir(dir.path())).expect(2, "<INPUT>");
    run(program().current_dir(dir.path())).expect(2, "Usage");
}

#[test]
fn output_that_cannot_be_a_folder() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    std::fs::write(dir.path().join("out"), b"in the way").unwrap();
    mosaic(&[&frames], &dir.path().join("out"), &[]).expect(7, "E-OUTPUT-WRITE").tells("out");
    mosaic(&[&frames], &dir.path().join("out/below"), &[]).expect(7, "E-OUTPUT-WRITE");
    assert_eq!(std::fs::read(dir.path().join("out")).unwrap(), b"in the way");
    assert_tidy(dir.path());
}

#[test]
#[cfg(unix)]
fn output_folder_that_is_read_only() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    set_mode(&out, 0o555);
    let script = "\"$1\" mosaic \"$2\" -o \"$3\"";
    let Some(mut command) = unprivileged(script, &[&frames, &out]) else { return };
    run(&mut command).expect(7, "E-OUTPUT-WRITE").tells("ermission denied");
    let Some(mut command) = unprivileged(script, &[&frames, &out.join("below")]) else { return };
    run(&mut command).expect(7, "E-OUTPUT-WRITE");
    assert!(listing(&out).is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn output_disk_too_small_as_planned() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let (small, out) = (dir.path().join("small"), dir.path().join("small/out"));
    std::fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" || exit 99; shift; \"$@\"; code=$?; ls -A \"$OUT_PARENT\"; exit $code";
    let attempt = |arguments: &[&Path], flags: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        quiet_environment(command.env("OUT_PARENT", &small));
        command
            .args(["--mount", "bash", "-c", script, "bash"])
            .arg(&small)
            .arg(env!("CARGO_BIN_EXE_zemosaic"));
        command.arg("mosaic").args(arguments).args(flags);
        command.output().map(|output| Ran::of(&output)).ok().filter(|ran| ran.code != 99)
    };
    let mut alone = std::process::Command::new("unshare");
    if !alone.args(["--mount", "true"]).output().is_ok_and(|output| output.status.success()) {
        return skipped("no volume can be mounted here");
    }
    let Some(ran) = attempt(&[&frames, Path::new("-o"), &out], &[]) else {
        return skipped("no volume can be mounted here");
    };
    ran.expect(6, "E-RESOURCE").tells("disk").tells("no product was written");
    assert_eq!(ran.stdout, "", "nothing is on the volume");

    // Room for the product, not for the unpacked copies.
    for index in 0..2 {
        let path = frames.join(format!("f{index}.fits"));
        let padded = [std::fs::read(&path).unwrap(), vec![0; 1 << 20]].concat();
        std::fs::write(frames.join(format!("f{index}.fits.gz")), gzip(&padded[..padded.len() / 2880 * 2880]))
            .unwrap();
        std::fs::remove_file(path).unwrap();
    }
    let ran = attempt(&[&frames, Path::new("--tmp"), &small, Path::new("-o"), &dir.path().join("out")], &[])
        .unwrap();
    ran.expect(6, "E-RESOURCE").tells("unpacked copies");
    assert_no_product(dir.path(), &dir.path().join("out"));
}

/// Run with a limit on the length of written files, in KiB.
#[cfg(unix)]
fn limited(kib: u64, arguments: &[&Path]) -> Ran {
    let mut command = std::process::Command::new("bash");
    quiet_environment(&mut command);
    command.args(["-c", "ulimit -c 0; ulimit -f \"$1\"; shift; exec \"$@\"", "bash", &kib.to_string()]);
    command.arg(env!("CARGO_BIN_EXE_zemosaic")).arg("mosaic").args(arguments);
    run(&mut command)
}

#[test]
#[cfg(unix)]
fn output_full_during_the_run() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let before = hashes(&frames);
    let out = dir.path().join("out");
    // No room for the planes.
    limited(100, &[&frames, Path::new("-o"), &out]).expect(7, "E-OUTPUT-WRITE").tells("mosaic.fits");
    assert_no_product(dir.path(), &out);

    // Room for the planes, none for the table behind them: everything else is done by then.
    let free = dir.path().join("free");
    mosaic(&[&frames], &free, &[]).expect(0, "");
    let product = Mosaic::open(&free.join("mosaic.fits"));
    let table = &product.file.hdus[product.hdu("INPUTS")];
    let planes_kib = (table.data_offset - table.header.to_bytes().len() as u64).div_ceil(1024);
    limited(planes_kib, &[&frames, Path::new("-o"), &out]).expect(7, "E-OUTPUT-WRITE").tells("mosaic.fits");
    assert_no_product(dir.path(), &out);

    // The same in place of an earlier product, which stays as it was.
    let forget_logs = || {
        std::fs::remove_file(free.join("events.jsonl")).unwrap();
        std::fs::remove_dir_all(free.join("logs")).unwrap();
    };
    forget_logs();
    let old = hashes(&free);
    limited(planes_kib, &[&frames, Path::new("--force"), Path::new("-o"), &free]).expect(7, "E-OUTPUT-WRITE");
    forget_logs();
    assert_eq!(hashes(&free), old);
    assert_tidy(dir.path());
    assert_eq!(hashes(&frames), before);
}

#[test]
#[cfg(unix)]
fn no_room_for_unpacked_copies_ends_the_run() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    for index in 0..2 {
        let path = frames.join(format!("f{index}.fits"));
        std::fs::write(frames.join(format!("f{index}.fits.gz")), gzip(&std::fs::read(&path).unwrap()))
            .unwrap();
        std::fs::remove_file(path).unwrap();
    }
    let out = dir.path().join("out");
    let grid: [&Path; 2] = [Path::new("--size"), Path::new("20x20")];
    // A frame needs 120 kB; that it cannot be unpacked is not the frame's fault.
    limited(64, &[&frames, grid[0], grid[1], Path::new("-o"), &out]).expect(7, "E-OUTPUT-WRITE");
    assert_no_product(dir.path(), &out);
}

#[test]
fn product_in_the_way() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(0, "");
    let before = hashes(&out);
    mosaic(&[&frames], &out, &["--combine", "median"])
        .expect(8, "E-OUTPUT-EXISTS")
        .tells("--force")
        .tells("mosaic.fits");
    assert_eq!(hashes(&out), before);
    mosaic(&[&frames], &out, &["--combine", "median", "--force"]).expect(0, "");
    assert_products(dir.path(), &out);
    assert_ne!(hashes(&out)[Path::new("mosaic.fits")], before[Path::new("mosaic.fits")]);
    // A file of the user's that has the name of a product.
    let own = dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("frames.csv"), "mine").unwrap();
    mosaic(&[&frames], &own, &[]).expect(8, "E-OUTPUT-EXISTS").tells("frames.csv");
    assert_eq!(listing(&own), [PathBuf::from("frames.csv")]);
}

#[test]
fn too_little_memory() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let ran = expect_failure(dir.path(), &[&frames], &["--memory", "1MiB"], 6, "E-RESOURCE");
    ran.tells("--memory");
    assert!(!dir.path().join("out").exists(), "nothing was written");
    run(program().arg("plan").arg(&frames).args(["--memory", "1MiB"])).expect(6, "E-RESOURCE");
}

#[test]
fn same_content_twice() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    std::fs::copy(frames.join("f1.fits"), frames.join("copy_of_f1.fits")).unwrap();
    let out = dir.path().join("out");
    let ran = mosaic(&[&frames], &out, &[]);
    ran.expect(0, "W-FRAME-DUPLICATE").tells("copy_of_f1.fits");
    assert_eq!(used_frames(&out), ["copy_of_f1.fits", "f0.fits", "f2.fits"]);
    assert_eq!(left_out_code(&out, "f1.fits"), "W-FRAME-DUPLICATE");
    // Packed it is the same content still.
    std::fs::write(frames.join("f1.fits.gz"), gzip(&std::fs::read(frames.join("f1.fits")).unwrap())).unwrap();
    let packed = dir.path().join("packed");
    mosaic(&[frames.join("f1.fits"), frames.join("f1.fits.gz")], &packed, &[]).expect(0, "W-FRAME-DUPLICATE");
    assert_eq!(used_frames(&packed), ["f1.fits"]);
    // Given twice by name it is one file, and no duplicate.
    let ran = mosaic(&[&frames.join("f0.fits"), &frames.join("f0.fits")], &dir.path().join("once"), &[]);
    ran.expect(0, "");
    assert_eq!(frames_csv(&dir.path().join("once")).len(), 1);
}

#[test]
fn file_that_is_not_fits() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    std::fs::write(frames.join("picture.fits"), b"\x89PNG\r\n\x1a\n and so on").unwrap();
    expect_left_out(dir.path(), &frames, "picture.fits", "E-FRAME-FORMAT", 9);
}

/// The coordinate axes of a frame or grid named as those of the ecliptic.
fn helioprojective(header: &mut Header) {
    header.set_str("CTYPE1", "HPLN-TAN", "");
    header.set_str("CTYPE2", "HPLT-TAN", "");
}

#[test]
fn coordinates_that_are_not_supported() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    let frame = pointing(0, 0.0);
    let image = noise_image(frame.width_px, frame.height_px, LEVEL_ADU, SIGMA_ADU, 1);
    write_test_frame(&frames.join("f0.fits"), &frame, ImageData::F32(&image), helioprojective).unwrap();
    let ran = expect_failure(dir.path(), &[&frames], &[], 5, "E-INPUT-UNUSABLE");
    ran.tells("E-WCS-FRAME").tells("HPLN");
}

#[test]
fn grids_that_cannot_be_used() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let grid = dir.path().join("grid.fits");
    let frame = pointing(0, 0.0);
    let image = vec![0.0; frame.width_px * frame.height_px];
    write_test_frame(&grid, &frame, ImageData::F32(&image), helioprojective).unwrap();
    let flags = ["--grid", grid.to_str().unwrap()];
    expect_failure(dir.path(), &[&frames], &flags, 2, "E-GRID").tells("HPLN");
    std::fs::remove_file(&grid).unwrap();
    expect_failure(dir.path(), &[&frames], &flags, 2, "E-GRID").tells("grid.fits");
}

#[test]
fn own_products_are_no_input() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    mosaic(&[&frames], &frames.join("first"), &[]).expect(0, "");
    // Below the input, but not the output of this run.
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(0, "W-FRAME-PRODUCT").tells("first/mosaic.fits");
    assert_eq!(used_frames(&out).len(), 3);
    // Named, it is a frame like any other.
    let again = dir.path().join("again");
    mosaic(&[frames.join("first/mosaic.fits")], &again, &[]).expect(0, "");
    assert_eq!(used_frames(&again).len(), 1);
}

#[test]
fn three_dimensional_and_odd_images() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let header = tan_header(&pointing(0, 0.0));
    let image = noise_image(WIDTH, HEIGHT * 2, LEVEL_ADU, SIGMA_ADU, 5);
    write_image(&frames.join("two.fits"), &header, ImageData::F32(&image), &[WIDTH, HEIGHT, 2]).unwrap();
    let ran = expect_left_out(dir.path(), &frames, "two.fits", "E-FRAME-FORMAT", 9);
    ran.tells("NAXIS3 = 2");
}

#[test]
fn wrong_flag_values() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 1);
    let wrong: [&[&str]; 14] = [
        &["--kernel", "lanczos9"],
        &["--combine", "mode"],
        &["--reject", "everything"],
        &["--kappa", "0"],
        &["--kappa", "3,x"],
        &["--weights", "heavy"],
        &["--memory", "much"],
        &["--map-error", "nan"],
        &["--map-error=-1"],
        &["--threads", "0"],
        &["--scale", "0"],
        &["--size", "0x100"],
        &["--group", "0"],
        &["--no-such-flag"],
    ];
    for flags in wrong {
        let ran = mosaic(&[&frames], &dir.path().join("out"), flags);
        ran.expect(2, "error:").tells(flags[0].split('=').next().unwrap());
        assert!(!dir.path().join("out").exists());
    }
    let grid = dir.path().join("grid.hdr");
    for text in ["NAXIS1 = 10\nNAXIS2 = 10\n", "nonsense"] {
        std::fs::write(&grid, text).unwrap();
        mosaic(&[&frames], &dir.path().join("out"), &["--grid", grid.to_str().unwrap()])
            .expect(2, "E-GRID")
            .tells("grid.hdr");
    }
    mosaic(&[&frames], &dir.path().join("out"), &["--grid", "no-such-file"])
        .expect(2, "E-GRID")
        .tells("no-such-file");
    mosaic(&[&frames], &dir.path().join("out"), &["--center", "151,41", "--size", "50x50"])
        .expect(3, "W-FRAME-OFFGRID");
    assert_no_product(dir.path(), &dir.path().join("out"));
}

#[test]
fn canvas_that_cannot_be_meant() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let ran = expect_failure(dir.path(), &[&frames], &["--size", "20000x20000"], 6, "E-RESOURCE");
    ran.tells("no product was written");
    assert!(!dir.path().join("out").exists());
}

#[test]
#[cfg(unix)]
fn interrupted() {
    use std::io::{BufRead, BufReader};
    let dir = folder();
    let frames = mono_frames(dir.path(), 6);
    let packed = gzip(&std::fs::read(frames.join("f5.fits")).unwrap());
    std::fs::write(frames.join("f5.fits.gz"), packed).unwrap();
    std::fs::remove_file(frames.join("f5.fits")).unwrap();
    let before = hashes(&frames);
    let out = dir.path().join("out");
    let mut child = program()
        .arg("mosaic")
        .arg(&frames)
        .arg("-o")
        .arg(&out)
        .args(["--scale", "0.15", "--kernel", "lanczos4", "--antialias", "off", "-j", "1", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let coadding = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["event"] == "progress" && event["stage"] == "coadd"
    };
    assert!(events.any(|line| coadding(&line.unwrap())), "the run has begun to coadd");
    assert!(listing(&out).iter().any(|path| path.to_string_lossy().ends_with(".partial")));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let last = events.last().unwrap().unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(130, "E-INTERRUPTED");
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"failed".into(), &130.into()));
    assert_no_product(dir.path(), &out);
    assert_eq!(hashes(&frames), before);
    // What is left is in nobody's way.
    mosaic(&[&frames], &out, &[]).expect(0, "");
    assert_products(dir.path(), &out);
}

#[test]
fn tiny_frames() {
    let dir = folder();
    for (width, height) in [(1, 1), (2, 1), (1, 40), (40, 1), (2, 2), (3, 5), (7, 4)] {
        for bayer in [false, true] {
            let frames = dir.path().join(format!("{width}x{height}{bayer}"));
            std::fs::create_dir(&frames).unwrap();
            for index in 0..3 {
                let mut frame = pointing(0, 0.0);
                (frame.width_px, frame.height_px) = (width, height);
                frame.crpix_px = [width as f64 / 2.0 + 0.13 * f64::from(index), height as f64 / 2.0];
                let image = noise_image(width, height, LEVEL_ADU, SIGMA_ADU, 40 + u64::from(index as u8));
                write_test_frame(
                    &frames.join(format!("{index}.fits")),
                    &frame,
                    ImageData::F32(&image),
                    |header| {
                        if bayer {
                            header.set_str("BAYERPAT", "RGGB", "");
                        }
                    },
                )
                .unwrap();
            }
            for kernel in ["nearest", "bilinear", "lanczos4"] {
                let out = frames.join(kernel);
                let ran = mosaic(&[&frames], &out, &["--kernel", kernel]);
                ran.expect(0, "");
                assert_products(&frames, &out);
            }
        }
    }
}

#[test]
#[cfg(unix)]
fn odd_file_names() {
    use std::os::unix::ffi::OsStrExt;
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    let names: [&[u8]; 3] = [b"tab\tand\nline.fits", b"not \xff utf-8.fit", b" -leading, \"quoted\".FITS"];
    for (index, name) in names.into_iter().enumerate() {
        std::fs::rename(
            frames.join(format!("f{index}.fits")),
            frames.join(std::ffi::OsStr::from_bytes(name)),
        )
        .unwrap();
    }
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &["--json"]).expect(0, "");
    assert_products(dir.path(), &out);
    run(program().arg("check").arg(&out)).expect(0, "");
    assert_eq!(Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_i64("NCOMBINE"), Some(4));
}

#[test]
#[cfg(target_os = "linux")]
fn file_name_that_is_no_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let dir = folder();
    let frame = dir.path().join(std::ffi::OsStr::from_bytes(b"f\xff.fits"));
    write_mono(&frame, &pointing(0, 0.0), 0);
    let out = dir.path().join("out");
    mosaic(&[&frame], &out, &[]).expect(0, "");
    assert_products(dir.path(), &out);
}

#[test]
fn output_into_the_input_folder() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let before = hashes(&frames);
    mosaic(&[&frames], &frames, &[]).expect(0, "");
    mosaic(&[&frames], &frames, &[]).expect(8, "E-OUTPUT-EXISTS");
    mosaic(&[&frames], &frames, &["--force"]).expect(0, "W-FRAME-PRODUCT");
    assert_eq!(used_frames(&frames).len(), 3);
    assert_tidy(dir.path());
    let after = hashes(&frames);
    assert!(before.iter().all(|(path, hash)| after[path] == *hash));
}

#[test]
#[cfg(unix)]
fn two_runs_into_one_folder() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let out = dir.path().join("out");
    let start = || {
        program()
            .arg("mosaic")
            .arg(&frames)
            .arg("-o")
            .arg(&out)
            .args(["--scale", "0.5", "-j", "1"])
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (first, second) = (start(), start());
    let mut ran = [first, second].map(|child| Ran::of(&child.wait_with_output().unwrap()));
    ran.sort_by_key(|ran| ran.code);
    ran[0].expect(0, "");
    ran[1].expect(8, "E-OUTPUT-");
    // The log is that of the run that finished.
    let log = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
    assert!(log.lines().last().unwrap().contains("\"finished\""), "{log}");
    assert_tidy(dir.path());
    run(program().arg("check").arg(&out)).expect(0, "");
}

#[test]
fn copies_left_by_a_killed_run_are_removed() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let out = dir.path().join("out");
    std::fs::create_dir_all(out.join(".spill-dead")).unwrap();
    std::fs::write(out.join(".spill-dead/0.fits"), b"x").unwrap();
    mosaic(&[&frames], &out, &[]).expect(0, "");
    assert_tidy(dir.path());
}

/// `zemosaic COMMAND INPUT... -o OUT MORE...`
fn zemosaic<P: AsRef<Path>>(command: &str, inputs: &[P], out: &Path, more: &[&str]) -> Ran {
    run(program().arg(command).args(inputs.iter().map(AsRef::as_ref)).arg("-o").arg(out).args(more))
}

/// An image of one value as a calibration file of this kind, and its path as text.
fn write_master(path: &Path, kind: &str, value: f32) -> String {
    let mut header = Header::new();
    header.set_str("IMAGETYP", kind, "");
    write_image(path, &header, ImageData::F32(&vec![value; WIDTH * HEIGHT]), &[WIDTH, HEIGHT]).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn inputs_are_never_replaced() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let masters = dir.path().join("masters");
    std::fs::create_dir(&masters).unwrap();
    let dark = write_master(&masters.join("dark.fits"), "Master Dark", 0.0);
    std::fs::write(frames.join("left_out.fit"), b"not FITS at all").unwrap();
    let lists = dir.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    std::fs::write(lists.join("frames.csv"), format!("path\n{}\n", frames.join("f0.fits").display()))
        .unwrap();
    let before = hashes(dir.path());
    for name in ["f1.fits", "left_out.fit"] {
        let out = frames.join(name);
        zemosaic("quality", &[&frames], &out, &["--force"]).expect(2, "E-USAGE").tells("is an input");
        zemosaic("stack", &[&frames], &out, &["--force"]).expect(2, "E-USAGE").tells("is an input");
    }
    let one = [frames.join("f0.fits")];
    for given in [dark.as_str(), masters.to_str().unwrap()] {
        let flags = ["--dark", given, "--force"];
        zemosaic("stack", &one, Path::new(&dark), &flags).expect(2, "E-USAGE").tells("dark.fits is an input");
    }
    zemosaic("mosaic", &[lists.join("frames.csv")], &lists, &["--force"]).expect(2, "is an input");
    assert_eq!(hashes(dir.path()), before);
    // Beside the inputs, and over what an earlier run has put there.
    std::fs::remove_file(frames.join("left_out.fit")).unwrap();
    for more in [&[][..], &["--force"]] {
        zemosaic("stack", &[&frames], &frames.join("stack.fits"), more).expect(0, "");
        zemosaic("quality", &[&frames], &frames.join("quality.csv"), more).expect(0, "");
    }
    assert_tidy(dir.path());
}

#[test]
fn tiles_of_an_earlier_run() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let out = dir.path().join("out");
    let tile = out.join("tiles/master_tile_001.fits");
    let again: [&[&str]; 2] = [&["--mode", "direct"], &["--mode", "classic", "--tiles", "remove"]];
    for flags in again {
        zemosaic("run", &[&frames], &out, &["--mode", "classic", "--force"]).expect(0, "");
        assert!(tile.exists());
        zemosaic("run", &[&frames], &out, &[flags, &["--force"]].concat()).expect(0, "");
        assert_products(dir.path(), &out);
    }
    // A file of the user's that has the name of a tile stays, whatever is asked.
    std::fs::create_dir(out.join("tiles")).unwrap();
    std::fs::write(&tile, "mine").unwrap();
    zemosaic("run", &[&frames], &out, &["--mode", "classic", "--force"])
        .expect(8, "E-OUTPUT-EXISTS")
        .tells("master_tile_001.fits");
    zemosaic("run", &[&frames], &out, &["--mode", "direct", "--force"]).expect(0, "");
    assert_eq!(std::fs::read(&tile).unwrap(), b"mine");
    // Something that is no folder has its name: told before the work.
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("tiles"), "mine").unwrap();
    zemosaic("run", &[&frames], &other, &["--mode", "classic"]).expect(7, "E-OUTPUT-WRITE").tells("tiles");
    assert_eq!(listing(&other), [PathBuf::from("tiles")]);
}

#[test]
fn masters_that_leave_nothing() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let path = dir.path().join("master.fits");
    for (option, kind, value, why) in [
        ("--dark", "Master Dark", f32::NAN, "no pixel with a value"),
        ("--bias", "Master Bias", f32::NAN, "no pixel with a value"),
        ("--flat", "Master Flat", 0.0, "no pixel above 0"),
        ("--bad-pixels", "", 1.0, "marks every pixel as bad"),
    ] {
        let master = write_master(&path, kind, value);
        let ran = expect_failure(dir.path(), &[&frames], &[option, &master], 2, "E-USAGE");
        ran.tells("master.fits").tells(why);
    }
}

#[test]
fn stack_without_data_on_its_grid() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    let frame = pointing(0, 0.0);
    let mut image = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, 1);
    for row in image.chunks_exact_mut(WIDTH) {
        row[..WIDTH / 2].fill(f32::NAN);
    }
    write_test_frame(&frames.join("f0.fits"), &frame, ImageData::F32(&image), |_| {}).unwrap();
    let grid = dir.path().join("grid.fits");
    let small = TanFrame { width_px: WIDTH / 4, ..frame };
    let empty = vec![0.0; small.width_px * small.height_px];
    write_test_frame(&grid, &small, ImageData::F32(&empty), |_| {}).unwrap();
    let out = dir.path().join("stack.fits");
    zemosaic("stack", &[&frames], &out, &["--grid", grid.to_str().unwrap()])
        .expect(3, "E-INPUT-UNUSABLE")
        .tells("no frame has data on the grid");
    assert!(!out.exists());
}

#[test]
fn names_that_a_stack_cannot_have() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    for name in ["s.fits.gz", "s.fits.fz", "s.xisf", "s.TIF"] {
        let out = dir.path().join(name);
        zemosaic("stack", &[&frames], &out, &[]).expect(2, "E-USAGE").tells(".fits, .fit or .fts");
        assert!(!out.exists());
    }
    // A folder may have a dot, and is checked by its tile.
    let out = dir.path().join("night.2");
    zemosaic("stack", &[&frames], &out, &[]).expect(0, "");
    run(program().arg("check").arg(&out)).expect(0, "");
    cut(&out.join("master_tile_001.fits"), 2880);
    run(program().arg("check").arg(&out)).expect(7, "");
}
