// Draws the figures of a report in the theme of the page, and again when the theme turns.

const story = JSON.parse(document.getElementById("figures").textContent);
const wish = matchMedia("(prefers-color-scheme: dark)");
const button = document.getElementById("theme");
let chosen = null;

const current = () => chosen ?? (wish.matches ? "dark" : "light");

function dress(figure, theme) {
  const style = theme === "dark" ? figure.dark : null;
  const data = figure.data.map((trace, i) => ({ ...trace, ...(style ? style.data[i] : {}) }));
  const paper = { paper_bgcolor: "rgba(0, 0, 0, 0)", plot_bgcolor: "rgba(0, 0, 0, 0)" };  // that of the page, or of the printer
  const theirs = style ? style.layout : {};
  const layout = { ...figure.layout, ...theirs, ...paper, template: story.templates[theme], autosize: true };
  return { data, layout };
}

function draw(theme) {
  document.documentElement.dataset.theme = theme;
  button.textContent = theme === "dark" ? "Light" : "Dark";
  for (const [name, figure] of Object.entries(story.figures)) {
    const { data, layout } = dress(figure, theme);
    Plotly.react(document.getElementById(name), data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  }
}

button.hidden = false;
button.addEventListener("click", () => { chosen = current() === "dark" ? "light" : "dark"; draw(chosen); });
wish.addEventListener("change", () => { if (!chosen) draw(current()); });
addEventListener("beforeprint", () => draw("light"));
addEventListener("afterprint", () => draw(current()));
draw(current());
