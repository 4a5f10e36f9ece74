"""The page's style sheet and its one script. Plain text inside Python, so that the package needs no data files."""

from __future__ import annotations

STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--text:#1b2430;--faint:#5d6b7c;--line:#dfe4ea;--head:#f0f3f6;--blue:37,99,235;
--c1:#2563eb;--c2:#d9730d;--c3:#0f9d76;--c4:#8b4fd6;--red:200,60,60;--warn:#fff6e0;--warnline:#e8b93c;
--heat:.55;--dot:.38}
@media screen and (prefers-color-scheme:dark){:root{--bg:#10151c;--card:#181f29;--text:#e4e9f0;--faint:#98a5b5;
--line:#2c3644;--head:#202936;--blue:72,130,245;--c1:#5b95ff;--c2:#f0984a;--c3:#3cc79d;--c4:#b48cf2;--red:225,90,90;
--warn:#2a2618;--warnline:#a8862b;--heat:.7;--dot:.6}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:1.25rem 1rem 4rem}
h1{font-size:1.65rem;line-height:1.25;margin:.25rem 0 1rem}
h2{font-size:1.2rem;margin:0 0 .6rem}
h3{font-size:1rem;margin:1.2rem 0 .4rem;overflow-wrap:anywhere}
h4{font-size:.85rem;font-weight:500;color:var(--faint);margin:1rem 0 .3rem;overflow-wrap:anywhere}
section,header{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.2rem;
margin:0 0 1.1rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.7rem 1.4rem;margin:0 0 1.1rem}
dt{font-size:.74rem;color:var(--faint);text-transform:uppercase;letter-spacing:.05em}
dd{margin:0;overflow-wrap:anywhere}
aside{background:var(--warn);border-left:4px solid var(--warnline);border-radius:4px;padding:.6rem .9rem;
font-size:.9rem}
nav{position:sticky;top:0;z-index:3;background:var(--bg);padding:.5rem 0;margin-bottom:.6rem;white-space:nowrap;
overflow-x:auto;font-size:.88rem}
nav a{color:var(--c1);text-decoration:none;padding:.25rem .7rem .25rem 0}
nav a:hover{text-decoration:underline}
section{scroll-margin-top:3rem}
.note{color:var(--faint);font-size:.88rem;margin:.1rem 0 .7rem;max-width:75ch}
.problem{font-size:.9rem;border-left:3px solid var(--warnline);padding:.1rem .7rem;margin:.5rem 0;
overflow-wrap:anywhere}
.js{display:none}.on .js{display:block}
.filter{margin:0 0 .5rem;font-size:.85rem;color:var(--faint)}
input[type=search]{font:inherit;font-size:16px;width:min(18rem,60vw);padding:.3rem .6rem;color:var(--text);
background:var(--bg);border:1px solid var(--line);border-radius:6px}
.scroll{overflow:auto;max-height:34rem;border:1px solid var(--line);border-radius:6px}
.fit{max-height:none;width:fit-content;max-width:100%}
table{border-collapse:separate;border-spacing:0;font-size:.86rem;min-width:100%}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:.36rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody tr:last-child>*{border-bottom:0}
thead th{position:sticky;top:0;z-index:1;background:var(--head);white-space:nowrap;font-weight:600}
[data-sortable] th{padding:0}
th button{all:unset;display:block;box-sizing:border-box;width:100%;padding:.45rem .6rem;cursor:pointer}
th button:focus-visible,.scroll:focus-visible{outline:2px solid var(--c1);outline-offset:-2px}
th[data-type=num] button{text-align:right}
th button{position:relative}
th button::after{position:absolute;margin-left:.15em;font-size:.8em}
th button:hover::after{content:"\\2195"}
th[aria-sort=ascending] button::after{content:"\\2191"}
th[aria-sort=descending] button::after{content:"\\2193"}
td{white-space:nowrap}
td.w{white-space:normal;min-width:12rem;max-width:24rem;overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums}
td small{display:block;color:var(--faint);font-size:.88em}
tbody tr:hover td{background:var(--head)}
.bars div{display:grid;grid-template-columns:min(25rem,45%,var(--label)) 1fr 8.6rem;gap:.15rem .8rem;align-items:center;
padding:.12rem 0;break-inside:avoid}
.bars span{overflow-wrap:anywhere;font-size:.88rem;line-height:1.3}
.bars b{font-weight:600;font-size:.88rem;font-variant-numeric:tabular-nums;white-space:nowrap}
.bars small{font-weight:400;color:var(--faint)}
.keys{display:flex;gap:1rem;flex-wrap:wrap;font-size:.85rem;margin:.3rem 0 .6rem}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
.bar{display:block;background:var(--head);border-radius:2px}
.whisker{stroke:var(--text);stroke-width:1.4}
rect.c1{fill:var(--c1)}rect.c2{fill:var(--c2)}rect.c3{fill:var(--c3)}rect.c4{fill:var(--c4)}
i.c1{background:var(--c1)}i.c2{background:var(--c2)}i.c3{background:var(--c3)}i.c4{background:var(--c4)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.6rem 1rem}
.pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));max-width:56rem}
.chart{width:100%;max-width:27rem;height:auto;break-inside:avoid}
.chart text{font-size:10.5px;fill:var(--text)}
.chart text.title{font-size:12px;font-weight:600}
.chart text.faint{fill:var(--faint);font-size:9.5px}
.mid{text-anchor:middle}.end{text-anchor:end}
.grid{stroke:var(--line);fill:none}
.zero{stroke:var(--faint);stroke-dasharray:3 3;fill:none}
.dots{stroke:var(--c1);stroke-width:3;stroke-linecap:round;opacity:var(--dot);fill:none}
.box{fill:rgba(var(--blue),.12);stroke:var(--text);stroke-width:1;opacity:.85}
.median{stroke:var(--c2);stroke-width:2.4;fill:none}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}
.band{stroke:none;opacity:.2}.band.c1{fill:var(--c1)}.band.c2{fill:var(--c2)}
.mark{stroke:var(--text);stroke-width:1.4;fill:none}
.views{font-size:.86rem}.views label{margin-right:1rem;cursor:pointer}.views .charts{margin-top:.5rem}
.views input{vertical-align:-1px;accent-color:var(--c1)}
.views:has(input.first:checked) .charts.second,.views:has(input.second:checked) .charts.first{display:none}
.heat td{text-align:center;font-variant-numeric:tabular-nums;min-width:4.3rem}
.heat tbody th{font-weight:500;background:var(--card);position:sticky;left:0}
.heat thead th{text-align:center;white-space:normal;vertical-align:bottom}
.heat thead th:first-child{text-align:left}
.heat td.h,.heat tr:hover td.h{background:rgba(var(--blue),calc(var(--s)*var(--heat)));print-color-adjust:exact;
-webkit-print-color-adjust:exact}
.heat td.neg,.heat tr:hover td.neg{background:rgba(var(--red),calc(var(--s)*var(--heat)))}
.heat td.h small{color:inherit;opacity:.8}
.heat .sum>*{color:var(--faint);border-top:1px solid var(--line)}
summary{cursor:pointer;margin-bottom:.5rem;color:var(--c1)}
@media (max-width:640px){body{font-size:14.5px}main{padding:.6rem .5rem 3rem}section,header{padding:.9rem .8rem}
h1{font-size:1.35rem}dl{grid-template-columns:1fr 1fr;gap:.6rem 1rem}dl div:nth-last-child(-n+2){grid-column:1/-1}
.bars div{grid-template-columns:1fr auto}.bars span{grid-column:1/-1}.bars div{padding:.25rem 0}
td.w{min-width:9.5rem;max-width:15rem}th,td{padding:.32rem .45rem}.heat td{min-width:3.1rem}
[data-sortable] td:first-child,[data-sortable] th:first-child{position:sticky;left:0;background:var(--card);
z-index:1;min-width:5.5rem;max-width:9.5rem;white-space:normal;overflow-wrap:break-word}
[data-sortable] td.w:first-child{min-width:8rem}
[data-sortable] thead th:first-child{z-index:2;background:var(--head)}}
@media print{body{background:#fff;font-size:10.5px}main{max-width:none;padding:0}nav,.js,.on .js,#runs,.views label{
display:none}section,header{border:0;padding:.3rem 0;margin:0}.scroll{max-height:none;overflow:visible;border:0}
th,td{padding:.15rem .35rem}td.w{min-width:7rem}thead th{position:static}h2,h3,h4{break-after:avoid}
tr{break-inside:avoid}th button::after{content:""}.charts{grid-template-columns:1fr 1fr 1fr}}
"""

SCRIPT = """
"use strict";
document.documentElement.className = "on";
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.hasAttribute("data-v") ? cell.getAttribute("data-v") : cell.textContent;
  };
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const numeric = head.dataset.type === "num";
    // The first click shows the largest number, or the first word, on top.
    const before = head.getAttribute("aria-sort");
    const order = before === "none" ? (numeric ? "descending" : "ascending")
      : before === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
    });
    body.append(...keyed.map((entry) => entry[1]));
  }));
  const box = table.closest(".data").querySelector("input");
  if (!box) continue;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    box.parentElement.querySelector("output").textContent =
      shown === body.rows.length ? `${shown} rows` : `${shown} of ${body.rows.length} rows`;
  });
}
"""
