// Copyright 2026 The reflex_ros authors
// SPDX-License-Identifier: Apache-2.0
// The page of `reflex view`: draws what the server sends, and sends the names of calls.

import * as THREE from './three.module.min.js';

const byId = (name) => document.getElementById(name);
const QUESTIONS = {
  promote: 'The arm will move. Is everybody out of its reach?',
  demote: 'Stop the arm as planned and go back to dry_run?',
  reset: 'Is the cause of the stop repaired?',
  park: 'The arm will move to its rest pose. Is its way free?',
  take_over: 'The arm will follow the leader arm. Is the leader in your hand?',
  hand_back: 'The policy will move the arm. Is everybody out of its reach?',
};
const OLD_S = 3;
const SPAN_S = 3;

// The scene: z is up, as in ROS.
THREE.Object3D.DEFAULT_UP.set(0, 0, 1);
const scene = new THREE.Scene();
scene.background = new THREE.Color('#1b1d22');
scene.add(new THREE.HemisphereLight('#ffffff', '#444444', 2.5));
const sun = new THREE.DirectionalLight('#ffffff', 2);
sun.position.set(1, -1, 2);
scene.add(sun);
const grid = new THREE.GridHelper(1.2, 24, '#555b66', '#33373f');
grid.rotation.x = Math.PI / 2;
scene.add(grid);
const camera = new THREE.PerspectiveCamera(45, 1, 0.01, 10);
const view = {azimuth: -0.9, height: 0.5, distance: 0.9};
const target = new THREE.Vector3(0.15, 0, 0.15);

let renderer = null;
try {
  renderer = new THREE.WebGLRenderer({antialias: true});
  byId('scene').prepend(renderer.domElement);
} catch (error) {
  byId('scene').prepend('This browser has no WebGL, so the arm cannot be drawn.');
}

function placeCamera() {
  const flat = view.distance * Math.cos(view.height);
  camera.position.set(target.x + flat * Math.cos(view.azimuth),
    target.y + flat * Math.sin(view.azimuth), target.z + view.distance * Math.sin(view.height));
  camera.lookAt(target);
}

byId('scene').addEventListener('pointermove', (event) => {
  if (!event.buttons) return;
  view.azimuth -= event.movementX / 150;
  view.height = Math.min(1.5, Math.max(-0.2, view.height + event.movementY / 150));
  redraw();
});
byId('scene').addEventListener('wheel', (event) => {
  view.distance = Math.min(3, Math.max(0.3, view.distance * (1 + event.deltaY / 1000)));
  redraw();
});

class Arm {
  // model: links with shapes, joints with origins; ghost: draw it translucent.
  constructor(model, ghost) {
    this.root = new THREE.Group();
    this.turns = {};
    this.materials = [];
    const links = {};
    for (const [name, shapes] of Object.entries(model.links)) {
      links[name] = new THREE.Group();
      for (const shape of shapes) links[name].add(this.mesh(shape, ghost));
    }
    const children = new Set(model.joints.map((joint) => joint.child));
    for (const name of Object.keys(links)) if (!children.has(name)) this.root.add(links[name]);
    for (const joint of model.joints) {
      const origin = new THREE.Group();
      place(origin, joint);
      const turn = new THREE.Group();
      origin.add(turn);
      turn.add(links[joint.child]);
      links[joint.parent].add(origin);
      if (!joint.is_fixed) {
        this.turns[joint.name] = [turn, new THREE.Vector3(...joint.axis)];
      }
    }
    scene.add(this.root);
  }

  mesh(shape, ghost) {
    const geometry = shape.kind === 'box' ? new THREE.BoxGeometry(...shape.size)
      : new THREE.CylinderGeometry(shape.size[0], shape.size[0], shape.size[1], 32);
    if (shape.kind === 'cylinder') geometry.rotateX(Math.PI / 2);
    const [r, g, b] = shape.rgba;
    const material = new THREE.MeshStandardMaterial({
      color: new THREE.Color(r, g, b), transparent: ghost, opacity: ghost ? 0.4 : 1,
      depthWrite: !ghost, roughness: 0.7});
    this.materials.push(material);
    const mesh = new THREE.Mesh(geometry, material);
    place(mesh, shape);
    return mesh;
  }

  pose(positions) {
    for (const [name, [turn, axis]] of Object.entries(this.turns)) {
      if (name in positions) turn.setRotationFromAxisAngle(axis, positions[name]);
    }
  }

  colour(name) {
    for (const material of this.materials) material.color.set(name);
  }
}

function place(object, origin) {
  object.position.set(...origin.xyz);
  // Roll, pitch and yaw of a URDF are about fixed axes.
  object.rotation.set(...origin.rpy, 'ZYX');
}

let arm = null;
let ghost = null;
let socket = null;
let heardAt = 0;
const pictures = {};

function connect() {
  socket = new WebSocket(`ws://${location.host}/ws`);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => socket.send(JSON.stringify({token: location.hash.slice(1)}));
  socket.onmessage = (event) => {
    if (typeof event.data !== 'string') return showPicture(new Uint8Array(event.data));
    const message = JSON.parse(event.data);
    if (message.type === 'model' && renderer && !arm) {
      arm = new Arm(message.model, false);
      ghost = new Arm(message.model, true);
    }
    if (message.type === 'state') showState(message);
    if (message.type === 'answer') {
      byId('answer').textContent = `${message.call}: ${message.text}`;
      byId('answer').className = message.done ? 'ok' : 'red';
    }
    if (message.type === 'refused') byId('why').textContent = message.text;
  };
  socket.onclose = () => {
    byId('old').textContent = 'No connection to `reflex view`. What you see is old.';
    setTimeout(connect, 1000);
  };
}

function rows(table, cells) {
  byId(table).replaceChildren(...cells.map((row) => {
    const line = document.createElement('tr');
    for (const [text, kind] of row) {
      const cell = document.createElement('td');
      cell.textContent = text;
      if (kind) cell.className = kind;
      line.append(cell);
    }
    return line;
  }));
}

function showState(state) {
  heardAt = performance.now();
  const age = state.ages['safety/state'];
  byId('old').textContent = age === undefined ? 'No supervisor was heard yet.'
    : age > OLD_S ? `No news from the supervisor for ${age.toFixed(0)} s; the driver holds the arm.`
      : '';
  byId('state').textContent = state.state || 'no state';
  byId('state').className = state.state;
  byId('why').textContent = [state.codes.map((code, i) => `${code}: ${state.causes[i]}`)[0],
    state.why, state.guidance, state.remark && `The policy: ${state.remark}`].filter(Boolean).join(' — ');
  byId('take_over').hidden = byId('hand_back').hidden = !state.leader;
  byId('refusal').textContent = state.accepted ? '' : state.refusal;
  const link = state.link;
  rows('link', [
    ['connection', `${link.state} ${link.remark}`], ['prompt', state.prompt],
    ['round trip', link.round_trip_ms < 0 ? '-' : `${link.round_trip_ms.toFixed(0)} ms`],
    ['age of the observation', `${link.age_ms} ms`], ['pace', link.pace.toFixed(2)],
    ['chunks', `${link.accepted} of ${link.received} accepted, ${link.refused} refused`],
  ].map(([name, text]) => [[name], [text]]));
  const isPast = !['DRY_RUN', 'READY', 'STANDBY', 'UNCONFIGURED'].includes(state.state);
  rows('gate', state.gate.map((item) => [
    [isPast ? '-' : item.ok ? 'ok' : '..', isPast ? '' : item.ok ? 'ok' : 'red'], [item.name],
    [isPast || item.ok ? '' : item.text]]));
  drawChunks(state.chunks);
  if (!arm) return;
  arm.pose(state.joints);
  const hasGhost = Object.keys(state.wanted).length > 0;
  ghost.root.visible = hasGhost;
  if (hasGhost) {
    ghost.pose(state.wanted);
    ghost.colour(state.accepted ? '#57c785' : '#ff5555');
  }
  redraw();
  // For tests, which cannot see what is drawn.
  byId('scene').dataset.arm = JSON.stringify(state.joints);
  byId('scene').dataset.ghost = !hasGhost ? 'none' : state.accepted ? 'accepted' : 'refused';
}

function drawChunks(chunks) {
  const canvas = byId('chunks');
  const pen = canvas.getContext('2d');
  const x = (seconds) => canvas.width * (0.5 + seconds / (2 * SPAN_S));
  pen.clearRect(0, 0, canvas.width, canvas.height);
  chunks.forEach((chunk, index) => {
    const y = 4 + index * 8;
    pen.fillStyle = index === chunks.length - 1 ? '#57c785' : '#4a5160';
    pen.fillRect(x(chunk.begin), y, x(chunk.end) - x(chunk.begin), 6);
    pen.fillStyle = '#e8e8ea';
    pen.fillRect(x(chunk.came) - 1, y - 1, 2, 8);
  });
  pen.fillStyle = '#f2c14e';
  pen.fillRect(x(0), 0, 1, canvas.height);
}

function showPicture(bytes) {
  const name = new TextDecoder().decode(bytes.subarray(1, 1 + bytes[0]));
  if (!pictures[name]) {
    const figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    caption.textContent = name;
    pictures[name] = document.createElement('img');
    pictures[name].id = `camera-${name}`;
    figure.append(pictures[name], caption);
    byId('cameras').append(figure);
  }
  URL.revokeObjectURL(pictures[name].src);
  pictures[name].src = URL.createObjectURL(new Blob([bytes.subarray(1 + bytes[0])]));
}

function call(name) {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({call: name}));
  } else {
    byId('answer').textContent = `${name} was NOT sent: there is no connection. Use reflex ${name}`;
    byId('answer').className = 'red';
  }
}

// A stop is never asked about.
byId('stop').addEventListener('click', () => call('stop'));
window.addEventListener('keydown', (event) => {
  if (event.key === ' ' && !byId('ask').open) {
    event.preventDefault();
    call('stop');
  }
});
for (const [name, question] of Object.entries(QUESTIONS)) {
  byId(name).addEventListener('click', () => {
    byId('question').textContent = question;
    byId('ask').onclose = () => {
      if (byId('ask').returnValue === 'yes') call(name);
    };
    byId('ask').returnValue = '';
    byId('ask').showModal();
  });
}

// Only when something has changed: ten times a second, and while a person turns the view.
let isDrawn = false;

function redraw() {
  if (isDrawn) requestAnimationFrame(draw);
  isDrawn = false;
}

function draw() {
  isDrawn = true;
  if (!renderer || document.hidden) return;
  const {clientWidth: width, clientHeight: height} = byId('scene');
  renderer.setSize(width, height);
  camera.aspect = width / Math.max(height, 1);
  camera.updateProjectionMatrix();
  placeCamera();
  renderer.render(scene, camera);
}

setInterval(() => {
  if (heardAt && performance.now() - heardAt > 1000 * OLD_S) {
    byId('old').textContent = 'No news from `reflex view`. What you see is old.';
  }
}, 500);
window.addEventListener('resize', redraw);
connect();
draw();
