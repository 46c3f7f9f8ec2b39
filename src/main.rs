use memridge::study::*;
struct P; impl Progress for P { fn begin(&self, t:u64){eprintln!("{t}");} fn advance(&self,_:u64){} }
fn main(){
 let a: Vec<String> = std::env::args().collect();
 let s = match Study::read(a[1].as_ref(), &Overrides{seed:None,quick:a.len()>2}) {Ok(s)=>s, Err(e)=>{eprintln!("{e}"); std::process::exit(2)}};
 let o = match run_study(&s,&P) {Ok(s)=>s, Err(e)=>{eprintln!("{e}"); std::process::exit(2)}};
 println!("{}", serde_json::to_string_pretty(&o.summary).unwrap());
}
