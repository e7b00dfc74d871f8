// The time shown: slider, playing, steps, jumps to switches.

class Time {
  // onChange(chunk) is called whenever the time has changed.
  constructor(onChange) {
    this.onChange = onChange;
    this.slider = byId("slider");
    this.button = byId("play");
    this.chunk = 0;
    this.timer = null;
    this.slider.addEventListener("input", () => this.set(Number(this.slider.value)));
    this.button.addEventListener("click", () => this.toggle());
    byId("back").addEventListener("click", () => this.move(-1));
    byId("forward").addEventListener("click", () => this.move(1));
    byId("previous-switch").addEventListener("click", () => this.jump(-1));
    byId("next-switch").addEventListener("click", () => this.jump(1));
    byId("speed").addEventListener("change", () => this.timer && this.start());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  setSuite(suite, chunk) {
    this.stop();
    this.suite = suite;
    this.slider.max = suite.numChunks - 1;
    const hasSwitches = suite.switches.length > 0;
    byId("previous-switch").disabled = byId("next-switch").disabled = !hasSwitches;
    this.drawMarks();
    this.set(Math.min(chunk, suite.numChunks - 1));
  }

  set(chunk) {
    this.chunk = Math.max(0, Math.min(this.suite.numChunks - 1, chunk));
    this.slider.value = this.chunk;
    const text = this.describe();
    this.slider.setAttribute("aria-valuetext", text);
    byId("moment").textContent = text;
    this.onChange(this.chunk);
    return this.chunk;
  }

  describe() {
    const { suite, chunk } = this;
    const steps = `steps ${withCommas(suite.firstStep(chunk))}–${withCommas(suite.steps[chunk])}`;
    const switches = suite.switches.filter((step) => step < suite.steps[chunk]).length;
    const since = suite.switches.length ? `, after ${switches} of ${suite.switches.length} switches` : "";
    return `${steps}${since}${suite.modelWords(chunk)}`;
  }

  move(by) {
    this.stop();
    return this.set(this.chunk + by);
  }

  jump(direction) {
    const places = this.suite.chunksAfterSwitches();
    const found = direction > 0 ? places.find((place) => place > this.chunk) : places.findLast((place) => place < this.chunk);
    this.stop();
    this.set(found ?? (direction > 0 ? this.suite.numChunks - 1 : 0));
  }

  toggle() {
    if (this.timer) this.stop();
    else this.start();
  }

  start() {
    this.stop();
    if (this.chunk >= this.suite.numChunks - 1) this.set(0);
    this.timer = setInterval(() => {
      if (this.chunk >= this.suite.numChunks - 1) this.stop();
      else this.set(this.chunk + 1);
    }, 1000 / Number(byId("speed").value));
    this.label("Pause");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.label("Play");
  }

  label(text) {
    byId("play-text").textContent = text;
    this.button.dataset.state = text.toLowerCase(); // what the button does next
  }

  // Space plays wherever it does nothing else, and there is something to see.
  key(event) {
    if (!this.suite.hasStates) return;
    if (event.key !== " " || event.target.closest("button, select, summary, a, input:not([type=range])")) return;
    event.preventDefault();
    this.toggle();
  }

  // Wrong phases and switches, below the slider.
  drawMarks() {
    const canvas = byId("marks");
    const { suite } = this;
    if (!suite.hasStates) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const thumb = 18; // the slider's thumb keeps its middle this far, halved, from both ends
    const place = (chunk) => thumb / 2 + (chunk / Math.max(1, suite.numChunks - 1)) * (width - thumb);
    context.fillStyle = palette().highlight;
    for (const [first, last] of suite.wrongStretches()) {
      context.fillRect(place(first - 0.5), 0, place(last + 0.5) - place(first - 0.5), 3);
    }
    context.fillStyle = palette().muted;
    for (const chunk of suite.chunksAfterSwitches()) context.fillRect(place(chunk - 0.5) - 0.5, 0, 1, height);
  }
}
