// How a run ended: the verdict, the metrics with their intervals, the verification card, what was done to the data.

import { format, h } from "/shell/dom.js";

const MARKS = { yes: ["Yes", "good"], no: ["No", "bad"], unclear: ["Unclear", "open"], agrees: ["Agrees", "good"], disagrees: ["Disagrees", "bad"], "cannot be checked": ["Not checked", "open"] };

const stamp = (word) => {
  const [text, mood] = MARKS[word] ?? [word, "open"];
  return h("span", { class: `stamp ${mood}` }, text);
};

const number = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? format(value, 4) : Array.isArray(value) ? value.map(number).join(", ") : String(value));

export function verdictSheet(result) {
  const { verdict } = result;
  const sentences = verdict ? [verdict.sentence, ...verdict.remarks] : [result.status];
  return h("section", { class: "sheet verdict", "aria-labelledby": "verdict-title" },
    h("h2", { id: "verdict-title" }, "Did the metric on unseen data improve?", verdict && " ", verdict && stamp(verdict.improved)),
    ...sentences.filter(Boolean).map((text, k) => h("p", { class: k ? "note" : "sentence" }, text)),
    result.explanation && h("p", {}, result.explanation),
    result.metrics.length > 0 && metricTable(result),
  );
}

function metricTable({ metrics }) {
  const low = Math.min(...metrics.map((one) => one.level));
  const heads = [["Metric", ""], ["Value", "number"], [`${Math.round(100 * low)} % interval`, "number"], ["Measured on", ""]];
  const rows = metrics.map((one) =>
    h("tr", {}, h("th", { scope: "row" }, one.title ?? one.name), h("td", { class: "number" }, number(one.value)), h("td", { class: "number" }, `${number(one.low)} to ${number(one.high)}`), h("td", {}, `${one.rows} ${one.part} rows`)),
  );
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), h("tbody", {}, ...rows)));
}

/** Claim, both methods, both values, disagreement, allowance, verdict. */
export function cardSheet(card) {
  const unit = card.unit ? ` ${card.unit}` : "";
  const lines = [
    [card.method, number(card.value) + unit],
    [card.second_method, number(card.second_value) + unit],
    ["Disagreement", number(card.disagreement) + unit],
    ["Allowed", number(card.allowance) + unit],
  ];
  return h("section", { class: "sheet card", "aria-labelledby": "card-title" },
    h("h2", { id: "card-title" }, "Checked a second way ", stamp(card.verdict)),
    h("p", {}, card.claim),
    h("div", { class: "scroll" }, h("table", {}, h("tbody", {}, ...lines.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number" }, value)))))),
    card.sentence && h("p", { class: "note" }, card.sentence),
    ...card.further.map((one) => h("p", { class: "further" }, stamp(one.verdict), " ", one.claim)),
  );
}

export function reportSheet(lines) {
  return h("details", { class: "sheet report" }, h("summary", {}, "What was done to the data"), h("ul", {}, ...lines.map((line) => h("li", {}, line))));
}
