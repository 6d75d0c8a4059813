fn main() {
    let t = std::time::Instant::now();
    let a: Vec<String> = std::env::args().collect();
    let o = match a[2].as_str() { "ccd" => zemosaic_testkit::SimulateOptions::preset(zemosaic_testkit::Preset::Ccd), "demo" => zemosaic_testkit::SimulateOptions::demo(), _ => zemosaic_testkit::SimulateOptions::default() };
    let s = zemosaic_testkit::simulate(&o, std::path::Path::new(&a[1]), &|d, n| eprint!("{d}/{n} ")).unwrap();
    println!("{} frames {} stars {} isolated {} defects, {:?}", s.frames.len(), s.stars, s.isolated_stars, s.defect_pixels, t.elapsed());
}
