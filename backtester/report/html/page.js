"use strict";
// Figures of the moment that is pointed at, beside the caption of each picture. The page is whole without.
const written = new Intl.NumberFormat("en", { maximumSignificantDigits: 8 });

function figures(picture, share, down) {
  const begin = Number(picture.dataset.begin), end = Number(picture.dataset.end);
  const day = end - begin > 86400000 ? 5 : 11; // beyond a day a time alone would be two moments
  const told = [new Date(begin + share * (end - begin)).toISOString().slice(day, 19).replace("T", " ")];
  for (const band of picture.querySelectorAll("[data-name]")) {
    const lows = band.dataset.low.split(","), highs = band.dataset.high.split(",");
    const grain = Math.min(Math.floor(share * lows.length), lows.length - 1);
    if (lows[grain] === "") continue;
    const [low, high] = [lows[grain], highs[grain]].map((text) => written.format(Number(text)));
    told.push(`${band.dataset.name} ${low === high ? low : `${low} to ${high}`}`);
  }
  const rows = picture.querySelectorAll("[data-shares]");
  if (rows.length) told.push(depth(picture, rows, share, down));
  return told.join("  ");
}

function depth(picture, rows, share, down) {
  const top = Number(picture.dataset.top), bottom = Number(picture.dataset.bottom);
  const place = Math.floor((100 * down - top) / (bottom - top) * rows.length);
  const {row, usual, shares} = rows[Math.min(Math.max(place, 0), rows.length - 1)].dataset;
  const all = shares.split(",");
  const found = all[Math.min(Math.floor(share * all.length), all.length - 1)];
  return `${row}: ${found === "" ? "not known" : `${found} % of ${written.format(Number(usual))}`}`;
}

for (const picture of document.querySelectorAll(".plot")) {
  const output = picture.parentElement.querySelector("output");
  const pointer = picture.querySelector(".pointer");
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    pointer.setAttribute("x1", `${100 * share}%`);
    pointer.setAttribute("x2", `${100 * share}%`);
    pointer.style.visibility = "visible";
    output.textContent = figures(picture, share, (event.clientY - box.top) / box.height);
  });
  picture.addEventListener("pointerleave", () => {
    pointer.style.visibility = "hidden";
    output.textContent = "";
  });
}
