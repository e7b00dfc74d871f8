// One suite: its description and, once decoded, its arrays.

class Suite {
  constructor(description, number) {
    Object.assign(this, description);
    this.number = number;
    this.numStates = this.states ? this.states.row.length : 0;
    this.numChunks = this.steps.length;
    if (this.hasStates) this.place();
  }

  // Without tables nothing is recorded of single states.
  get hasStates() {
    return this.states !== null;
  }

  place() {
    this.hasMaze = this.states.row.every((row) => row >= 0) && this.states.column.every((column) => column >= 0);
    this.places = this.hasMaze ? this.states.row.map((row, i) => [row, this.states.column[i]]) : this.inOrder();
    this.numRows = 1 + Math.max(...this.places.map(([row]) => row));
    this.numColumns = 1 + Math.max(...this.places.map(([, column]) => column));
    this.stateAt = new Map(this.places.map(([row, column], state) => [`${row},${column}`, state]));
  }

  // States without places stand in rows, in their order.
  inOrder() {
    const columns = Math.ceil(Math.sqrt(2 * this.numStates));
    return this.states.row.map((_, state) => [Math.floor(state / columns), state % columns]);
  }

  // Both load once, however often they are asked for.
  load() {
    this.loading ??= decodeStream(`core-${this.number}`, this.core.entries).then((arrays) => {
      this.means = arrays;
    });
    return this.loading;
  }

  loadSingle() {
    this.loadingSingle ??= decodeStream(`single-${this.number}`, this.single.entries).then((arrays) => {
      this.singles = arrays;
    });
    return this.loadingSingle;
  }

  // {mean, low, high}, each with one number per chunk; all NaN where the measure does not apply.
  curve(measure, agent) {
    const { values } = this.means[`curve/${measure}`];
    const [mean, low, high] = [0, 1, 2].map((row) => {
      const start = (3 * agent + row) * this.numChunks;
      return values.subarray(start, start + this.numChunks);
    });
    return { mean, low, high };
  }

  reference(measure) {
    const found = this.means[`reference/${measure}`];
    return found && found.values;
  }

  hasMap(kind) {
    return `${kind}` in this.means;
  }

  // The chunk whose maps are shown for a time: single seeds may be kept at every n-th one only.
  shownChunk(chunk, seed) {
    return seed === null ? chunk : chunk - (chunk % this.single.stride);
  }

  // d or value of every state.
  mapAt(kind, agent, chunk, seed) {
    const array = seed === null ? this.means[kind] : this.singles[kind];
    const block = seed === null ? agent : agent * this.seeds.length + seed;
    const chunks = array.shape[array.shape.length - 1];
    const time = seed === null ? chunk : Math.floor(chunk / this.single.stride);
    return Array.from({ length: this.numStates }, (_, state) =>
      array.at((block * this.numStates + state) * chunks + time));
  }

  // For every state four numbers: the share of the seeds whose greedy action is up, down, left, right.
  policyAt(agent, chunk, seed) {
    if (seed !== null) {
      const actions = this.mapAt("action", agent, chunk, seed);
      return actions.map((action) => [0, 1, 2, 3].map((one) => (Math.round(action) === one ? 1 : 0)));
    }
    const { at } = this.means.policy;
    return Array.from({ length: this.numStates }, (_, state) =>
      [0, 1, 2, 3].map((action) => at(((agent * 4 + action) * this.numStates + state) * this.numChunks + chunk)));
  }

  largest(kind, seed) {
    return (seed === null ? this.means : this.singles)[kind].high;
  }

  isWrong(state, chunk) {
    return this.states.wrongInPhase[this.phaseOfChunk[chunk]].includes(state);
  }

  goalReward(state, chunk) {
    const rewards = this.states.goalReward;
    return rewards ? rewards[this.phaseOfChunk[chunk]][state] : null;
  }

  firstStep(chunk) {
    return 1 + (chunk ? this.steps[chunk - 1] : 0);
  }

  stateName(state) {
    return this.hasMaze ? `row ${this.places[state][0]}, column ${this.places[state][1]}` : `state ${state}`;
  }

  // [[first, last chunk], …] in which a fixed model is wrong somewhere.
  wrongStretches() {
    const found = [];
    (this.isModelWrong ?? []).forEach((isWrong, chunk) => {
      if (!isWrong) return;
      if (chunk && this.isModelWrong[chunk - 1]) found[found.length - 1][1] = chunk;
      else found.push([chunk, chunk]);
    });
    return found;
  }

  // Words to follow a time, none where nothing says whether the model is right.
  modelWords(chunk) {
    if (!this.isModelWrong) return "";
    return this.isModelWrong[chunk] ? ", model wrong" : ", model right";
  }

  // First chunks after a switch.
  chunksAfterSwitches() {
    return this.switches.map((step) => this.steps.findIndex((end) => end > step)).filter((chunk) => chunk > 0);
  }
}
