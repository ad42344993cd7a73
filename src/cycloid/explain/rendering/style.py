"""The look of an explanation on a page: paper and ink, in light and in dark, all under one class."""

from __future__ import annotations

STYLE = """
.cy-explain{--ink:#1b1f2a;--muted:#5a6070;--rule:#e2ded4;--sheet:#fff;--paper:#fbfaf7;--accent:#2457d6;
--good:#1f8a5b;--bad:#d9542b;--gold:#9a6b08;color:var(--ink);background:var(--paper);
font:15px/1.5 -apple-system,"Segoe UI","Helvetica Neue",Arial,"Liberation Sans",sans-serif;
padding:1.25rem 1.5rem;border-radius:6px;max-width:72rem;overflow-x:auto}
@media (prefers-color-scheme:dark){.cy-explain{--ink:#eceae4;--muted:#a2a8b8;--rule:#2c323f;--sheet:#191d27;
--paper:#12151c;--accent:#86a8ff;--good:#58c797;--bad:#ff8d69;--gold:#e6b94e}}
.cy-explain *{box-sizing:border-box}
.cy-explain h3{font:600 1.25rem/1.35 Charter,"Iowan Old Style",Palatino,Georgia,"Liberation Serif",serif;
margin:0 0 1rem}
.cy-explain h4{font:600 1rem/1.3 Charter,"Iowan Old Style",Palatino,Georgia,"Liberation Serif",serif;
margin:1.5rem 0 .5rem}
.cy-explain p{margin:.5rem 0;max-width:46rem}
.cy-explain math{font-size:1.12em}
.cy-explain ol{list-style:none;margin:0;padding:0}
.cy-explain ol ol{margin-left:.55rem;padding-left:1.1rem;border-left:1px solid var(--rule)}
.cy-explain li{margin:0}
.cy-explain .line{display:grid;grid-template-columns:minmax(22rem,1fr) 1.4rem minmax(12rem,24rem);
gap:.25rem .75rem;align-items:center;padding:.4rem 0;min-height:2.6rem}
.cy-explain .said{overflow-x:auto;padding:.15rem 0}
.cy-explain .said span{display:inline-block;padding:.2em .15em .2em 0}
.cy-explain .rule{font-weight:600;font-size:.9em}
.cy-explain .law{display:block;color:var(--muted);font-size:.86em}
.cy-explain .mark{color:var(--good);font-weight:700;text-align:center;cursor:help}
.cy-explain .mark.disagrees{color:var(--bad)}
.cy-explain .mark.kink,.cy-explain .mark.cannot{color:var(--gold)}
.cy-explain .note{color:var(--muted);font-size:.9em}
.cy-explain .last{border-top:2px solid var(--ink);margin-top:.5rem;padding-top:.5rem;font-size:1.1em}
.cy-explain .foot{border-top:1px solid var(--rule);margin-top:1.25rem;padding-top:.6rem;color:var(--muted);
font-size:.9em}
.cy-explain table{border-collapse:collapse;font-size:.93em;margin:.25rem 0}
.cy-explain th{font-weight:600;text-align:left;color:var(--muted);border-bottom:1px solid var(--ink);
padding:.25rem .9rem .25rem 0;vertical-align:bottom}
.cy-explain td{border-bottom:1px solid var(--rule);padding:.3rem .9rem .3rem 0;vertical-align:middle}
.cy-explain td.n,.cy-explain th.n{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.cy-explain code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
color:var(--muted);overflow-wrap:anywhere}
.cy-explain details{margin:.15rem 0}
.cy-explain summary{cursor:pointer;color:var(--accent);font-size:.9em}
.cy-explain svg{max-width:100%;height:auto}
@media (max-width:48rem){.cy-explain .line{grid-template-columns:1fr 1.4rem}.cy-explain .line .why{
grid-column:1/-1}}
.cy-explain .equation{font-family:Georgia,"Liberation Serif",serif;font-size:1.06em}
""".strip().replace("\n", "")
