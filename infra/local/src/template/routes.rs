//! The HTTP API's routes, chosen as API Gateway chooses: the most specific path wins, then the named method over `ANY`,
//! then `$default`.

use http::Method;

use super::TemplateError;

/// One route and the function it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// As written in the template, for example `ANY /auth/{proxy+}`; events carry it.
    pub key: String,
    /// Name of the function.
    pub function: String,
    method: Option<Method>,
    path: Option<Vec<Segment>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
    /// `{name+}`: one or more segments to the end.
    Greedy(String),
}

impl Route {
    /// Parses a route key.
    ///
    /// # Errors
    /// [`TemplateError::Shape`] when it isn't `METHOD /path` or `$default`.
    pub fn parse(key: &str, function: &str) -> Result<Self, TemplateError> {
        let route = |method, path| Self { key: key.to_owned(), function: function.to_owned(), method, path };
        if key == "$default" {
            return Ok(route(None, None));
        }
        let wrong = || TemplateError::Shape(format!("{key:?} is not a route key"));
        let (method, path) = key.split_once(' ').ok_or_else(wrong)?;
        let method = match method {
            "ANY" => None,
            named => Some(named.parse::<Method>().map_err(|_| wrong())?),
        };
        let mut segments = Vec::new();
        for part in path.strip_prefix('/').ok_or_else(wrong)?.split('/') {
            if matches!(segments.last(), Some(Segment::Greedy(_))) {
                return Err(wrong());
            }
            segments.push(match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.to_owned()),
                    None => Segment::Variable(name.to_owned()),
                },
                None => Segment::Literal(part.to_owned()),
            });
        }
        Ok(route(method, Some(segments)))
    }

    fn captures(&self, method: &Method, path: &str) -> Option<Vec<(String, String)>> {
        if self.method.as_ref().is_some_and(|own| own != method) {
            return None;
        }
        let Some(pattern) = &self.path else {
            return Some(Vec::new());
        };
        let mut captures = Vec::new();
        let mut rest = Some(path.strip_prefix('/')?);
        for segment in pattern {
            let remaining = rest?;
            let (part, after) = match remaining.split_once('/') {
                Some((part, after)) => (part, Some(after)),
                None => (remaining, None),
            };
            match segment {
                Segment::Literal(literal) if literal == part => rest = after,
                Segment::Literal(_) => return None,
                Segment::Variable(_) if part.is_empty() => return None,
                Segment::Variable(name) => {
                    captures.push((name.clone(), part.to_owned()));
                    rest = after;
                }
                Segment::Greedy(_) if remaining.is_empty() => return None,
                Segment::Greedy(name) => {
                    captures.push((name.clone(), remaining.to_owned()));
                    return Some(captures);
                }
            }
        }
        rest.is_none().then_some(captures)
    }

    /// Larger is more specific: no greedy part, then more literal segments, then more segments, then a named method.
    fn rank(&self) -> (bool, bool, usize, usize, bool) {
        let Some(path) = &self.path else {
            return (false, false, 0, 0, false);
        };
        let greedy = path.iter().any(|segment| matches!(segment, Segment::Greedy(_)));
        let literals = path.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
        (true, !greedy, literals, path.len(), self.method.is_some())
    }
}

/// All routes of the API.
#[derive(Clone, Debug, Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// Sorts `routes` by precedence.
    ///
    /// # Errors
    /// [`TemplateError::Shape`] when a route key occurs twice.
    pub fn new(mut routes: Vec<Route>) -> Result<Self, TemplateError> {
        routes.sort_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| a.key.cmp(&b.key)));
        if let Some(pair) = routes.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(TemplateError::Shape(format!("the route {} occurs twice", pair[0].key)));
        }
        Ok(Self(routes))
    }

    /// The route for a request and what its path variables hold; `None` when there is not even a `$default`.
    pub fn find(&self, method: &Method, path: &str) -> Option<(&Route, Vec<(String, String)>)> {
        self.0.iter().find_map(|route| route.captures(method, path).map(|captures| (route, captures)))
    }

    /// Every route, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        Routes::new(keys.iter().map(|key| Route::parse(key, key).unwrap()).collect()).unwrap()
    }

    fn check(routes: &Routes, method: Method, path: &str, expected: &str) {
        let found = routes.find(&method, path).map(|(route, _)| route.key.as_str());
        assert_eq!(found, Some(expected), "{method} {path}");
    }

    #[test]
    fn the_most_specific_path_wins_then_the_method_then_default() {
        let routes = routes(&[
            "$default",
            "ANY /api/v1/generations/{proxy+}",
            "POST /api/v1/generations",
            "POST /api/v1/generations/{proxy+}",
            "GET /api/v1/generations",
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "ANY /pets/{proxy+}",
            "ANY /{proxy+}",
        ]);
        check(&routes, Method::POST, "/api/v1/generations", "POST /api/v1/generations");
        check(&routes, Method::POST, "/api/v1/generations/a/cancel", "POST /api/v1/generations/{proxy+}");
        check(&routes, Method::GET, "/api/v1/generations/a", "ANY /api/v1/generations/{proxy+}");
        check(&routes, Method::DELETE, "/api/v1/generations", "ANY /{proxy+}");
        check(&routes, Method::GET, "/pets/dog/1", "GET /pets/dog/1");
        check(&routes, Method::GET, "/pets/dog/2", "GET /pets/dog/{id}");
        check(&routes, Method::PUT, "/pets/dog/2", "ANY /pets/{proxy+}");
        check(&routes, Method::GET, "/", "$default");
    }

    #[test]
    fn a_greedy_part_needs_something_to_hold_and_keeps_its_slashes() {
        let routes = routes(&["$default", "ANY /s/{proxy+}"]);
        check(&routes, Method::GET, "/s", "$default");
        check(&routes, Method::GET, "/s/", "$default");
        let (_, captures) = routes.find(&Method::GET, "/s/abc/media").unwrap();
        assert_eq!(captures, [("proxy".to_owned(), "abc/media".to_owned())]);
    }

    #[test]
    fn what_is_no_route_key_is_refused() {
        for key in ["/no-method", "GET no-slash", "GET /a/{x+}/b", "G T /x"] {
            assert!(Route::parse(key, "f").is_err(), "{key}");
        }
        let twice = vec![Route::parse("GET /a", "x").unwrap(), Route::parse("GET /a", "y").unwrap()];
        assert!(Routes::new(twice).is_err());
    }
}
