use zemosaic_testkit::*;
use zemosaic_testkit::{pointing::plan_frames, render::render_frame, sky_model::SkyModel, tan::Parity};
use rayon::prelude::*;
fn main() {
    let o = SimulateOptions::demo();
    let plans = plan_frames(&o).unwrap();
    let cat = Catalogue::load().unwrap();
    let sky = SkyModel::new(&o, &cat, &plans).unwrap();
    let (gw, gh) = (2300usize, 2300usize);
    let grid = TanFrame::pointed_at((o.ra_deg, o.dec_deg), o.scale_arcsec, 0.0, Parity::Sky, (gw, gh));
    let frames: Vec<Vec<f32>> = plans.par_iter().map(|p| render_frame(&o, &sky, p).adu).collect();
    let col = o.sensor.colours();
    let (w, h) = (o.width_px, o.height_px);
    for c in 0..3 {
        // demosaic: mean of same-colour neighbours in 3x3
        let planes: Vec<Vec<f32>> = frames.par_iter().map(|f| {
            let mut out = f.clone();
            for y in 0..h { for x in 0..w { if col[y&1][x&1] != c {
                let (mut s, mut n) = (0.0, 0.0);
                for yy in y.saturating_sub(1)..(y+2).min(h) { for xx in x.saturating_sub(1)..(x+2).min(w) {
                    if col[yy&1][xx&1]==c { s += f[yy*w+xx]; n += 1.0; } } }
                out[y*w+x] = s/n;
            } } }
            out
        }).collect();
        let mut plane = vec![f32::NAN; gw*gh];
        plane.par_chunks_mut(gw).enumerate().for_each(|(y,row)| {
            for (x,v) in row.iter_mut().enumerate() {
                let (ra,dec) = grid.pixel_to_sky(x as f64, y as f64);
                let mut s: Vec<f64> = Vec::new();
                for (p,f) in plans.iter().zip(&planes) {
                    let (px,py) = p.tan.sky_to_pixel(ra,dec).unwrap();
                    if px < 0.0 || py < 0.0 || px >= (w-1) as f64 || py >= (h-1) as f64 { continue; }
                    let (i,j) = (px as usize, py as usize); let (tx,ty)=(px-i as f64, py-j as f64);
                    let at=|a:usize,b:usize| f64::from(f[b*w+a]);
                    s.push((1.0-ty)*((1.0-tx)*at(i,j)+tx*at(i+1,j))+ty*((1.0-tx)*at(i,j+1)+tx*at(i+1,j+1)));
                }
                if s.is_empty() { continue; }
                for _ in 0..5 { 
                    s.sort_by(f64::total_cmp);
                    let n=s.len(); let m = if n%2==1 {s[n/2]} else {(s[n/2]+s[n/2-1])/2.0};
                    let mean=s.iter().sum::<f64>()/n as f64; let sd=(s.iter().map(|v|(v-mean).powi(2)).sum::<f64>()/n as f64).sqrt();
                    let k: Vec<f64>=s.iter().copied().filter(|v| (v-m).abs()<=3.0*sd).collect();
                    if k.len()==n {break;} s=k;
                }
                *v = (s.iter().sum::<f64>()/s.len() as f64) as f32;
            }
        });
        let pred: Vec<(f64,f64)> = sky.stars.iter().map(|s| grid.sky_to_pixel(s.ra_deg,s.dec_deg).unwrap()).collect();
        let flux: Vec<f64> = sky.stars.iter().map(|s| s.flux_adu[c]).collect();
        for (r,fw,snr) in [(8.0,Some(2.6),100.0),(8.0,Some(2.6),150.0),(8.0,Some(2.6),200.0),(6.0,Some(2.6),150.0)] {
            let co = CompareOptions { aperture_radius_px: r, psf_fwhm_px: fw, min_snr: snr, saturation_adu: 45000.0, ..CompareOptions::default() };
            let q = compare_stars(&plane, gw, gh, &pred, &flux, &co);
            println!("c{c} r{r} {fw:?} snr{snr}: n {} bias {:+.4} scatter {:.4} rms {:.4} dx {:+.4} dy {:+.4}", q.n,q.flux_bias_median,q.flux_scatter,q.position_rms_px,q.mean_dx,q.mean_dy);
            if c==1 && r==8.0 && fw.is_some() && snr==50.0 { let mut v=q.stars.clone(); v.sort_by(|a,b| b.dx_px.hypot(b.dy_px).total_cmp(&a.dx_px.hypot(a.dy_px))); for s in v.iter().take(5) {println!("   {s:?} mag {}", sky.stars[s.index].mag);} }
        }
    }
}
