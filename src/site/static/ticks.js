// A worker: posts a message each `data` milliseconds.
onmessage = ({ data }) => setInterval(() => postMessage(null), data);
