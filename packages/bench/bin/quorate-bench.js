#!/usr/bin/env node
/** The command, in a file that is there before the build: npm links it at install. */
import '../dist/cli.js';
