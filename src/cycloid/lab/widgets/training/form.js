// What to train: the data, the model, the method and its numbers.

import { ask, h, say } from "/shell/dom.js";

const MODELS = [
  ["auto", "The simplest that fits"],
  ["linear", "Linear"],
  ["logistic", "Logistic (two classes)"],
  ["softmax", "Softmax (classes)"],
  ["mlp", "Network"],
];
export const METHODS = [
  ["gradient-descent", "Gradient descent", "GradientDescent"],
  ["sgd", "SGD", "SGD"],
  ["momentum", "Momentum", "Momentum"],
  ["nesterov", "Nesterov", "Nesterov"],
  ["adagrad", "Adagrad", "Adagrad"],
  ["rmsprop", "RMSprop", "RMSprop"],
  ["adam", "Adam", "Adam"],
  ["adamw", "AdamW", "AdamW"],
];
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
const BATCHES = [8, 16, 32, 64, 128, 256];
const DEFAULTS = { bundled: "diabetes", model: "mlp", hidden: "32, 32", method: "adam", learning_rate: 0.001, batch_size: 32, max_steps: 400, seed: 0, early: false };

const choices = (id, entries) => h("select", { id, name: id }, ...entries.map(([value, text]) => h("option", { value }, text)));
const field = (label, control) => h("div", { class: "field" }, h("label", { for: control.id }, label), control);

export class OrderForm {
  constructor({ train, cancel, changed }) {
    this.train = train;
    this.changed = changed;
    this.data = h("select", { id: "data", on: { change: () => this.#chooseData() } });
    this.about = h("p", { class: "note" });
    this.file = h("input", { type: "file", id: "file", accept: ".csv,.tsv,.txt,text/csv", class: "unseen", on: { change: () => this.#upload(this.file.files[0]) } });
    this.target = h("select", { id: "target", name: "target" });
    this.preview = h("div", { class: "scroll preview" });
    this.uploaded = h("div", { class: "uploaded", hidden: true }, field("Predict the column", this.target), this.preview);
    this.model = choices("model", MODELS);
    this.hidden = h("input", { type: "text", id: "hidden", value: DEFAULTS.hidden, inputmode: "numeric", autocomplete: "off" });
    this.hiddenField = field("Hidden layers", this.hidden);
    this.method = choices("method", METHODS);
    this.rate = choices("learning_rate", RATES.map((rate) => [rate, String(rate)]));
    this.batch = choices("batch_size", BATCHES.map((size) => [size, `${size} rows`]));
    this.steps = h("input", { type: "number", id: "max_steps", min: 1, max: 100000, step: 1 });
    this.seed = h("input", { type: "number", id: "seed", min: 0, step: 1 });
    this.early = h("input", { type: "checkbox", id: "early" });
    this.go = h("button", { class: "primary", type: "submit" }, "Train");
    this.stop = h("button", { type: "button", hidden: true, on: { click: cancel } }, "Cancel");
    this.trouble = h("p", { class: "trouble", role: "alert" });
    this.element = this.#layout();
    for (const control of [this.model, this.hidden, this.method, this.rate, this.batch, this.steps, this.seed, this.early]) control.addEventListener("change", () => this.#settle());
  }

  #layout() {
    const pick = h("label", { class: "button file", for: "file" }, "Upload a CSV …");
    return h("form", { class: "sheet order", "aria-label": "What to train", on: { submit: (event) => { event.preventDefault(); this.#submit(); } } },
      h("div", { class: "order-grid" },
        h("div", { class: "field data-field" }, h("label", { for: "data" }, "Data"), h("div", { class: "row" }, this.data, this.file, pick), this.about),
        field("Model", this.model),
        this.hiddenField,
        field("Method", this.method),
        field("Learning rate η", this.rate),
        field("Rows in one step", this.batch),
        field("Steps", this.steps),
        field("Seed", this.seed),
        h("div", { class: "row deeds" }, this.go, this.stop),
        h("div", { class: "row tight early" }, this.early, h("label", { for: "early" }, "Stop when the rows kept apart no longer improve, and keep the best model"))),
      this.uploaded,
      this.trouble,
    );
  }

  /** Fill in the data sets and what the address says. */
  async open(address) {
    this.sets = await ask("/api/datasets");
    this.data.replaceChildren(...this.sets.map((one) => h("option", { value: one.name }, one.title)));
    const wanted = { ...DEFAULTS, ...Object.fromEntries(address) };
    const known = (select, value, fallback) => (select.value = [...select.options].some((one) => one.value === String(value)) ? value : fallback);
    known(this.data, wanted.bundled, DEFAULTS.bundled);
    known(this.model, wanted.model, DEFAULTS.model);
    known(this.method, wanted.method, DEFAULTS.method);
    known(this.rate, wanted.learning_rate, DEFAULTS.learning_rate);
    known(this.batch, wanted.batch_size, DEFAULTS.batch_size);
    this.hidden.value = wanted.hidden;
    this.steps.value = Number(wanted.max_steps) || DEFAULTS.max_steps;
    this.seed.value = Number(wanted.seed) || DEFAULTS.seed;
    this.early.checked = String(wanted.early) === "true";
    this.#chooseData();
  }

  get order() {
    const common = {
      model: this.model.value,
      hidden: this.hidden.value.split(/[\s,;]+/).filter(Boolean).map(Number),
      method: this.method.value,
      learning_rate: Number(this.rate.value),
      batch_size: Number(this.batch.value),
      max_steps: Number(this.steps.value),
      seed: Number(this.seed.value),
      early: this.early.checked,
    };
    return this.upload ? { ...common, upload: this.upload.id, target: this.target.value } : { ...common, bundled: this.data.value };
  }

  /** What the address should say: nothing about uploads, which live only here. */
  get entries() {
    const { order } = this;
    const entries = { bundled: order.bundled, model: order.model, hidden: order.model === "mlp" ? order.hidden.join(",") : undefined, method: order.method };
    for (const name of ["learning_rate", "batch_size", "max_steps", "seed", "early"]) entries[name] = order[name];
    return Object.fromEntries(Object.entries(entries).filter(([name, value]) => String(value).replace(/\s/g, "") !== String(DEFAULTS[name]).replace(/\s/g, "")));
  }

  setRunning(running) {
    this.stop.hidden = !running;
    say(this.go, running ? "Train another" : "Train");
  }

  complain(message) {
    say(this.trouble, message);
  }

  #chooseData() {
    if (this.data.value !== "upload") {
      this.upload = null;
      this.data.querySelector("[value=upload]")?.remove();
    }
    this.uploaded.hidden = !this.upload;
    const set = this.sets.find((one) => one.name === this.data.value);
    const sizes = (rows, columns) => `${rows.toLocaleString("en")} rows, ${columns} ${columns === 1 ? "column" : "columns"}`;
    say(this.about, set ? `${set.about} ${sizes(set.rows, set.columns)}.` : `${sizes(this.upload.rows, this.upload.columns.length)}. It stays on this machine.`);
    this.#settle();
  }

  #settle() {
    this.hiddenField.hidden = this.model.value !== "mlp";
    this.complain("");
    this.changed();
  }

  async #upload(file) {
    if (!file) return;
    this.complain("");
    say(this.about, "Reading the file …");
    try {
      this.upload = await ask(`/api/uploads?${new URLSearchParams({ name: file.name })}`, { method: "POST", body: file });
    } catch (error) {
      this.upload = null;
      this.data.value = this.sets[0].name;
      this.#chooseData();
      return this.complain(error.message);
    } finally {
      this.file.value = "";
    }
    this.data.querySelector("[value=upload]")?.remove();
    this.data.append(h("option", { value: "upload" }, this.upload.name));
    this.data.value = "upload";
    this.target.replaceChildren(...this.upload.columns.map((name) => h("option", { value: name }, name)));
    this.target.value = this.upload.columns.at(-1);
    this.model.value = "auto";
    const head = h("tr", {}, ...this.upload.columns.map((name) => h("th", { scope: "col" }, name)));
    const rows = this.upload.preview.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell))));
    this.preview.replaceChildren(h("table", {}, h("caption", { class: "unseen" }, "The first rows"), h("thead", {}, head), h("tbody", {}, ...rows)));
    this.#chooseData();
  }

  #submit() {
    this.complain("");
    this.train(this.order);
  }
}
