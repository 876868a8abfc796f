//go:build tools

// Package temporal pins the Temporal CLI that scripts/dev builds where no binary can be downloaded.
package temporal

import _ "github.com/temporalio/cli/cmd/temporal"
