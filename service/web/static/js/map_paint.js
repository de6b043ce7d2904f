// Paints points that move from where they stood to where they stand: with WebGL2, or plainly where there is none.

const VERTEX = `#version 300 es
in vec2 before; in vec2 after; in vec3 colour;
uniform float share; uniform vec2 centre; uniform vec2 zoom; uniform float size;
out vec3 tint;
void main() {
  gl_Position = vec4((mix(before, after, share) - centre) * zoom, 0.0, 1.0);
  gl_PointSize = size;
  tint = colour;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 tint; out vec4 pixel;
void main() {
  float edge = length(gl_PointCoord - 0.5);
  float alpha = 0.85 * smoothstep(0.5, 0.4, edge);
  pixel = vec4(tint * alpha, alpha);
}`;

/** Something with `set(before, after, colours)` and `paint(view)`; colours are bytes, three a point. */
export function makePainter(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  return gl ? new WebglPainter(canvas, gl) : new PlainPainter(canvas);
}

class WebglPainter {
  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.at = Object.fromEntries(["share", "centre", "zoom", "size"].map((name) => [name, gl.getUniformLocation(program, name)]));
    this.buffers = ["before", "after", "colour"].map((name) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      if (name === "colour") gl.vertexAttribPointer(place, 3, gl.UNSIGNED_BYTE, true, 0, 0);
      else gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0);
      return buffer;
    });
  }

  set(...all) {
    const { gl } = this;
    this.count = all[1].length / 2;
    all.forEach((numbers, i) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[i]);
      gl.bufferData(gl.ARRAY_BUFFER, numbers, gl.STATIC_DRAW);
    });
  }

  paint({ share, x, y, scale, size }) {
    const { gl, canvas } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform1f(this.at.share, share);
    gl.uniform2f(this.at.centre, x, y);
    gl.uniform2f(this.at.zoom, (2 * scale) / canvas.width, (-2 * scale) / canvas.height);
    gl.uniform1f(this.at.size, size);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }
}

class PlainPainter {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  set(before, after, colours) {
    Object.assign(this, { before, after, colours });
  }

  paint({ share, x, y, scale, size }) {
    const { pen, canvas, before, after, colours } = this;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < after.length / 2; i += 1) {
      const px = before[2 * i] + (after[2 * i] - before[2 * i]) * share;
      const py = before[2 * i + 1] + (after[2 * i + 1] - before[2 * i + 1]) * share;
      pen.fillStyle = `rgb(${colours[3 * i]},${colours[3 * i + 1]},${colours[3 * i + 2]})`;
      pen.fillRect((px - x) * scale + canvas.width / 2 - size / 2, (py - y) * scale + canvas.height / 2 - size / 2, size, size);
    }
  }
}
